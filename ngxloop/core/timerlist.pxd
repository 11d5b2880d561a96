"""TimerList: the timers that wait, as the heap that other packages know from asyncio's loop."""

cimport cython

from ngxloop.core.reactor cimport Reactor
from ngxloop.core.timers cimport TimerHandle


@cython.final
cdef class TimerList(list):
    cdef Reactor loop
    cdef TimerHandle shown           # the only item of the underlying list, unless it was popped

    cdef int settle(self) except -1
    cdef list timers(self)
