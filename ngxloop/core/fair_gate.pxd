"""FairGate: every worker has about as many open connections as the others."""

from libc.stdint cimport int64_t

from ngxloop.core.exclusive_gate cimport ExclusiveGate

cdef class FairGate(ExclusiveGate):
    cdef int64_t settled_ns          # when the decision was taken
    cdef int64_t total               # connections of all workers that take part, at the last look
    cdef int64_t count               # how many these workers are

    cdef bint above_share(self) noexcept
    cdef int look(self) noexcept
    cdef int call_back(self) noexcept
