"""Receiver: a protocol that takes a stream's bytes without a Python frame in between."""

cdef class Receiver:
    cdef int receive(self, const char* data, Py_ssize_t size) except -1
