"""WritePipeTransport: the end of a pipe that is written."""

from ngxloop.transports.pipe cimport PipeTransport
from ngxloop.transports.writing cimport Writer

cdef class WritePipeTransport(PipeTransport):
    cdef Writer writer               # never None
    cdef int refused_count           # writes since the pipe was closed

    cdef int write_bytes(self, bytes data) except -1
    cdef int peer_closed(self) except -1
    cdef int end_output(self) except -1
