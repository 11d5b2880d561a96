"""Timed: the base of what has one time-out, which is moved more often than it passes."""

from libc.stdint cimport int64_t

from ngxloop.core.reactor cimport Reactor
from ngxloop.core.timers cimport TimerHandle

cdef class Timed:
    cdef TimerHandle timer           # None until the first deadline
    cdef int64_t timer_ns            # when it runs; 0 while it is not armed
    cdef int64_t deadline_ns         # on the loop's clock; 0: none

    cdef int64_t now_ns(self, Reactor loop) except? -1
    cdef int deadline_set(self, Reactor loop, int64_t deadline_ns) except -1
    cdef int deadline_stop(self) except -1
    cdef int deadline_passed(self) except -1
    cdef int timer_start(self, Reactor loop) except -1
