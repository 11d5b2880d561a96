"""FlowControl: when pause_writing() and resume_writing() of a protocol are called."""

from ngxloop.core.flag cimport flag
from ngxloop.core.reactor cimport Reactor

cdef class FlowControl:
    cdef Reactor loop                # None once the connection is lost
    cdef object protocol             # None once the connection is lost
    cdef object context              # the contextvars.Context of every call to the protocol
    cdef Py_ssize_t high_bytes
    cdef Py_ssize_t low_bytes
    cdef flag protocol_paused

    cdef Py_ssize_t buffered_bytes(self) noexcept
    cdef int limits_changed(self) except -1
    cdef int pause_protocol(self) except -1
    cdef int resume_protocol(self) except -1

cdef tuple buffer_limits(high, low, Py_ssize_t default_high)
