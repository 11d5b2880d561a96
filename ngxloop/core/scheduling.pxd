"""Scheduling: call_soon, call_later and the like."""

from ngxloop.core.attributes cimport LoopAttributes
from ngxloop.core.methods cimport Method

# The general code of the methods that have a fast path.
cdef Method GENERAL_CALL_SOON
cdef Method GENERAL_CALL_SOON_THREADSAFE
cdef Method GENERAL_CALL_LATER
cdef Method GENERAL_CALL_AT
cdef Method GENERAL_CREATE_TASK

cdef class Scheduling(LoopAttributes):
    cdef public object _task_factory  # as in BaseEventLoop, which sets it
    cdef public object _thread_id     # the same: that which runs the loop, None if none does
    cdef dict options                 # {"loop": self}, see own_options(); None until needed

    cdef dict own_options(self)
    cdef int check_call(self, callback, str method) except -1
    cdef list origin(self)
