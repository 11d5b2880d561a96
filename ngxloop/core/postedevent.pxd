"""PostedEvent: a connection's event that a program has taken out of the loop's queue."""

cimport cython

from ngxloop.core.event cimport Event, EventQueue
from ngxloop.core.reactor cimport Reactor


@cython.final
@cython.no_gc_clear  # __dealloc__ needs the loop
cdef class PostedEvent:
    cdef Reactor loop
    cdef object owner                # whose event it is, for __repr__
    cdef EventQueue place            # where the event stands until it runs: a queue of its own

    cdef int hold(self, Reactor loop, Event* ev) except -1
    cdef int give_back(self, bint first) except -1
