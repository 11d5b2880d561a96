"""Waiting: how long the loop sleeps, and what ends it."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ngxloop.core.gate cimport AcceptGate
from ngxloop.core.polling cimport Polling
from ngxloop.core.stopwatch cimport Stopwatch
from ngxloop.core.timerqueue cimport TimerQueue
from ngxloop.core.waker cimport Waker

cdef class Waiting(Polling):
    cdef TimerQueue timers
    cdef Waker waker
    cdef Stopwatch stopwatch
    cdef AcceptGate gate             # never None
    cdef object selector             # what _selector is; None until asked for
    cdef bint selector_replaced      # the program has its own in the place of our select()
    cdef bint stopping
    cdef bint watches_signals        # a signal handler is installed: its pipe must be polled
    cdef bint clock_overridden       # time() is not ours: test clocks drive the timers
    cdef uint32_t internal_count     # slots that are the loop's own
    cdef int64_t busy_poll_ns        # how long to look for events before sleeping; 0: not at all
    cdef uint64_t sleep_count        # waits that gave the core away

    cdef int collect_events(self) except -1
    cdef int ask_selector(self) except -1
    cdef int64_t wait_limit(self, int64_t limit_ns) except? -2
    cdef int sleep(self, int64_t timeout_ns) except -1
    cdef int wait_awake(self, int64_t timeout_ns) except -1
    cdef int wait_asleep(self, int64_t timeout_ns) except -1
    cdef int64_t now_ns(self) except? -1
