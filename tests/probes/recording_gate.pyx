"""An accept gate that tells when it is asked."""

from libc.stdint cimport int64_t

from ngxloop.core.gate cimport AcceptGate


cdef class RecordingGate(AcceptGate):
    """A gate that is always open; `calls` holds the name of each question of the turn."""

    cdef readonly list calls
    cdef int64_t limit_ns

    def __init__(self, limit_ns=-1):
        """Bound every wait by limit_ns; -1 sets no bound."""
        self.calls = []
        self.limit_ns = limit_ns

    cdef int64_t before_wait(self, bint may_block) except? -2:
        self.calls.append("before a wait that may block" if may_block else "before a look")
        return self.limit_ns

    cdef int after_accepts(self) except -1:
        self.calls.append("after accepts")
        return 0
