"""TimerList: the timers that wait, as the heap that other packages know from asyncio's loop."""

cimport cython

from ngxloop.core.reactor cimport Reactor
from ngxloop.core.timers cimport TimerHandle


@cython.final
cdef class TimerList(list):
    cdef Reactor loop
    cdef object shown                # the only item of the underlying list, unless it was popped
    cdef TimerHandle first           # the timer that is shown: itself, or inside of it

    cdef int settle(self) except -1
    cdef bint is_settled(self) except -1
    cdef int show(self, TimerHandle first) except -1
    cdef int arm(self, timer) except -1
    cdef int arm_foreign(self, timer) except -1
    cdef TimerHandle waiting(self, timer)
    cdef list timers(self)
