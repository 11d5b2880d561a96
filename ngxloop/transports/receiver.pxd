"""Receiver: a protocol that takes a stream's bytes without a Python frame in between."""

from ngxloop.core.timed cimport Timed

cdef class Receiver(Timed):
    cdef int receive(self, const char* data, Py_ssize_t size) except -1
    cdef int peer_left(self) except -1
