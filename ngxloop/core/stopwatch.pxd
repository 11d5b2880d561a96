"""Stopwatch: runs events with an eye on the clock."""

from libc.stdint cimport uint64_t

from ngxloop.core.event cimport Event, EventQueue
from ngxloop.core.handle cimport Handle

cdef class Stopwatch:
    cdef double slow_seconds         # from here on debug mode reports an event
    cdef double hook_seconds         # from here on the program's hook is called
    cdef object hook                 # None, or a callable: hook(source, seconds)
    cdef object patched_run          # None, or what is in the place of asyncio.Handle._run
    cdef bint debugging
    cdef bint running                # events must be watched: a turn is to let it run its batch
    cdef object current_handle       # what runs right now, for those who ask in debug mode
    cdef readonly uint64_t slow_count

    cdef int run_queue(self, loop, EventQueue* queue) except -1
    cdef int run_handle(self, loop, Event* ev) except -1
    cdef int run_event(self, loop, Event* ev) except -1
    cdef int set_debugging(self, bint debugging) except -1
    cdef int set_hook(self, hook, double seconds) except -1
    cdef int settle(self) except -1
    cdef int report_if_slow(self, loop, source, double seconds) except -1
