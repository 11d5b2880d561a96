"""Stepping: turns that a program takes by itself."""

from libc.stdint cimport int64_t

from ngxloop.core.reactor cimport Reactor

cdef class Stepping(Reactor):
    cdef int poll_by_hand(self, int64_t timeout_ns) except -1
    cdef int wait_by_hand(self, int64_t timeout_ns) except -1
