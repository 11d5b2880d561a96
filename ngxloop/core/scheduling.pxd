"""Scheduling: call_soon, call_later and the like."""

from ngxloop.core.attributes cimport LoopAttributes

cdef class Scheduling(LoopAttributes):
    cdef int check_call(self, callback, str method) except -1
    cdef list origin(self)
