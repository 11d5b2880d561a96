"""ExclusiveGate: the kernel wakes one worker for each connection."""

from ngxloop.core.event cimport Connection
from ngxloop.core.shared_gate cimport SharedGate

cdef class ExclusiveGate(SharedGate):
    cdef int requeue(self, Connection* listener) except -1
