"""Stopwatch: runs events and measures how long they take."""

from libc.stdint cimport uint64_t

from ngxloop.core.event cimport Event, EventQueue
from ngxloop.core.handle cimport Handle

cdef class Stopwatch:
    cdef double slow_seconds         # from this duration on debug mode reports an event
    cdef double hook_seconds         # from this duration on the program's hook is called
    cdef object hook                 # None, or a callable: hook(source, seconds)
    cdef object patched_run          # None, or what has replaced asyncio.Handle._run
    cdef unsigned int class_version  # that of asyncio.Handle when patched_run was looked up
    cdef bint debugging
    cdef bint running                # events are timed: a turn lets the stopwatch run its batch
    cdef object current_handle       # what is running, in debug mode
    cdef readonly uint64_t slow_count

    cdef int run_queue(self, loop, EventQueue* queue) except -1
    cdef int run_handle(self, loop, Event* ev) except -1
    cdef int run_event(self, loop, Event* ev) except -1
    cdef int set_debugging(self, bint debugging) except -1
    cdef int set_hook(self, hook, double seconds) except -1
    cdef int check_class(self) except -1
    cdef int settle(self) except -1
    cdef int report_if_slow(self, loop, source, double seconds) except -1
