"""ReadyQueue: what is ready, as the deque that other packages know from asyncio's loop."""

cimport cython

from ngxloop.core.event cimport Event, EventQueue
from ngxloop.core.reactor cimport Reactor


@cython.final
cdef class ReadyQueue:
    cdef Reactor loop

    cdef object changed(self, change)
    cdef EventQueue* first_queue(self) except NULL
    cdef list shown(self)
    cdef int put(self, item, bint first) except -1
