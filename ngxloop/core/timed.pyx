"""Timed: the base of what has one time-out, which is moved more often than it passes.

How it works. One timer serves for the whole life of the object. To set a deadline is a store: the
timer is armed anew only if it would run too late. A timer that runs before the deadline is armed
again for what is left, and is left alone if there is none. So a connection that answers a request
every few milliseconds, with a new deadline for each, touches the queue of timers once a minute.
Model: nginx, NGX_TIMER_LAZY_DELAY.

Rules. A deadline is taken from now_ns(), which may be some milliseconds behind: what passes is a
time-out of seconds. While the timer is armed, the queue keeps the object alive: deadline_stop()
ends that. deadline_passed() runs in a context of its own, whatever else runs or waits.
"""

from cpython.contextvars cimport PyContext_CopyCurrent
from libc.stdint cimport int64_t

from ngxloop.core.clock cimport NS_PER_SECOND, clock_coarse_ns
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.timers cimport timer_arm, timer_new


cdef class Timed:
    """The base of connections; see the file header."""

    cdef int64_t now_ns(self, Reactor loop) except? -1:
        """Return the time that deadlines are counted from: the loop's clock at its last tick."""
        return loop.now_ns() if loop.clock_overridden else clock_coarse_ns()

    cdef int deadline_set(self, Reactor loop, int64_t deadline_ns) except -1:
        """Let deadline_passed() be called then, and no more at an earlier deadline; 0: never."""
        self.deadline_ns = deadline_ns
        if deadline_ns and (self.timer_ns == 0 or deadline_ns < self.timer_ns):
            self.timer_start(loop)
        return 0

    cdef int deadline_stop(self) except -1:
        """Never call deadline_passed() again, and let go of the timer."""
        self.deadline_ns = self.timer_ns = 0
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        return 0

    cdef int deadline_passed(self) except -1:
        """The deadline has come; there is none until the next is set."""
        raise NotImplementedError(f"{type(self).__name__} does not override deadline_passed()")

    cdef int timer_start(self, Reactor loop) except -1:
        """Arm the timer for the deadline."""
        if self.timer_ns:
            self.timer.cancel()
            self.timer = None
        if self.timer is None:
            self.timer = timer_new(loop, timer_ran, (self, loop), PyContext_CopyCurrent(), None)
        timer_arm(self.timer, &loop.timers, <double>self.deadline_ns / NS_PER_SECOND)
        self.timer_ns = self.deadline_ns
        return 0


def timer_ran(Timed timed not None, Reactor loop not None):
    """Call deadline_passed() if the deadline has come; else arm the timer for it, if there is one.
    """
    timed.timer_ns = 0
    timed.timer = None
    if timed.deadline_ns == 0:
        return
    if loop.now_ns() < timed.deadline_ns:
        timed.timer_start(loop)
        return
    timed.deadline_ns = 0
    timed.deadline_passed()
