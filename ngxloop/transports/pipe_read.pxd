"""ReadPipeTransport: the end of a pipe that is read."""

from ngxloop.transports.pipe cimport PipeTransport

cdef class ReadPipeTransport(PipeTransport):
    cdef int read_ready(self) except -1
    cdef int nothing_received(self, ssize_t count, int error) except -1
    cdef int end(self) except -1
