"""Scheduling: call_soon, call_later and the like."""

from ngxloop.core.attributes cimport LoopAttributes

cdef class Scheduling(LoopAttributes):
    cdef public object _task_factory  # as in BaseEventLoop, which sets it
    cdef dict options                 # {"loop": self}, see own_options(); None until needed

    cdef dict own_options(self)
    cdef int check_call(self, callback, str method) except -1
    cdef list origin(self)
