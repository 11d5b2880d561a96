"""Waiting: how long the loop sleeps, and what ends it.

Rules. The GIL is given up only while waiting. Between the kernel's answer and the end of dispatch()
no Python code of this thread runs: a callback that turns the loop there would overwrite the events.
The ready queue is checked again right before the sleep, because what ran since the time-out was
computed may have posted something.

A program may replace the select() of the loop, for example to advance the clock of a test: then
each turn calls the replacement, which calls the original one, see stepping.pyx.
"""

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t

from ngxloop.core.clock cimport (
    NS_PER_MS,
    NS_PER_SECOND,
    clock_coarse_ns,
    clock_ns,
    ns_from_seconds,
)
from ngxloop.core.freelist cimport memory_trim
from ngxloop.core.gate cimport AcceptGate
from ngxloop.core.limits cimport BUSY_POLL_SLICE_MS, WAIT_SECONDS_MAX
from ngxloop.core.polling cimport Polling
from ngxloop.core.ready cimport queue_is_empty
from ngxloop.core.stopwatch cimport Stopwatch
from ngxloop.core.timerqueue cimport timerqueue_init, timerqueue_next
from ngxloop.core.timers cimport TimerHandle, timers_first
from ngxloop.core.waker cimport Waker


cdef class Waiting(Polling):
    """The part of the loop that waits; see the file header."""

    def __cinit__(self, *args, **kwargs):
        timerqueue_init(&self.timers, clock_ns())
        self.stopwatch = Stopwatch()
        self.waker = Waker()
        self.gate = AcceptGate()
        self.gate.attach(self.poller, NULL, self.waker)

    cdef int collect_events(self) except -1:
        """Ask the gate and the timers how long to wait; wait; post what the kernel reports."""
        cdef bint busy = self.stopping or not queue_is_empty(&self.ready)
        cdef int64_t limit_ns
        cdef int64_t timeout_ns
        if self.selector_replaced:
            return self.ask_selector()
        limit_ns = self.gate.before_wait(not busy)
        timeout_ns = 0 if busy else self.wait_limit(limit_ns)
        if timeout_ns != 0:
            return self.sleep(timeout_ns)
        if self.pool.used_count > self.internal_count or self.watches_signals:
            self.poll_count += 1
            return self.dispatch(self.poller.poll())
        return 0

    cdef int ask_selector(self) except -1:
        """Call the select() that the program has set; it calls the loop's own, which waits."""
        cdef TimerHandle first
        cdef object timeout = None
        if self.stopping or not queue_is_empty(&self.ready):
            timeout = 0
        elif self.timers.count:
            first = timers_first(&self.timers)
            timeout = min(max(first._when - self.time(), 0), WAIT_SECONDS_MAX)
        self.selector.select(timeout)
        return 0

    cdef int64_t wait_limit(self, int64_t limit_ns) except? -2:
        """Return the time until the first timer, at most limit_ns (-1: none); -1 waits for ever."""
        cdef int64_t until_ns
        if self.timers.count == 0:
            return limit_ns
        until_ns = timerqueue_next(&self.timers) - self.now_ns()
        if until_ns <= 0:
            return 0
        if 0 <= limit_ns < until_ns:
            return limit_ns
        return min(until_ns, <int64_t>WAIT_SECONDS_MAX * NS_PER_SECOND)

    cdef int sleep(self, int64_t timeout_ns) except -1:
        """Wait for kernel events; signals that arrived meanwhile are handled before them."""
        cdef int count
        memory_trim(clock_coarse_ns())
        self.stopwatch.check_class()
        self.poll_count += 1
        self.waker.woken = False
        self.waker.sleeping = True
        try:
            if self.busy_poll_ns:
                count = self.wait_awake(timeout_ns)
            else:
                count = self.wait_asleep(timeout_ns)
        finally:
            self.waker.sleeping = False
        if count == 0:
            PyErr_CheckSignals()
        return self.dispatch(count)

    cdef int wait_awake(self, int64_t timeout_ns) except -1:
        """Busy-poll for as long as the program wants; then sleep.

        Waking a sleeping core costs time, and its thread starts late: together about 20 us
        on a virtual machine. The slices are for signals, which do not interrupt a thread that runs.
        """
        cdef int64_t left_ns = self.busy_poll_ns
        cdef int64_t slice_ns
        cdef int count
        if 0 <= timeout_ns < left_ns:
            left_ns = timeout_ns
        if timeout_ns > 0:
            timeout_ns -= left_ns
        while left_ns > 0 and not self.stopping and queue_is_empty(&self.ready):
            slice_ns = min(left_ns, <int64_t>BUSY_POLL_SLICE_MS * NS_PER_MS)
            count = self.poller.spin(slice_ns)
            if count:
                return count
            self.waker.sleeping = False  # a handler may turn the loop
            PyErr_CheckSignals()
            self.waker.woken = False
            self.waker.sleeping = True
            left_ns -= slice_ns
        return self.wait_asleep(timeout_ns)

    cdef int wait_asleep(self, int64_t timeout_ns) except -1:
        """Sleep until something happens; not if another thread or a signal has posted something."""
        if self.stopping or not queue_is_empty(&self.ready):
            timeout_ns = 0
        self.sleep_count += 1
        if (self.stale_stays or self.poller_is_new) and timeout_ns != 0:
            return self.poller.rest(timeout_ns)
        return self.poller.wait(timeout_ns)

    cdef int64_t now_ns(self) except? -1:
        if self.clock_overridden:
            return ns_from_seconds(self.time())
        return clock_ns()
