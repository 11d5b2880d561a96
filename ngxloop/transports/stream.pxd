"""StreamTransport: TCP and Unix stream connections."""

from libc.stdint cimport int64_t

from ngxloop.core.event cimport Connection
from ngxloop.core.linux cimport iovec
from ngxloop.core.reactor cimport Reactor
from ngxloop.transports.lingering cimport Lingering
from ngxloop.transports.reading cimport ReadingTransport
from ngxloop.transports.writing cimport Writer

cdef class StreamTransport(ReadingTransport):
    cdef Writer writer               # None until the first write
    cdef Lingering lingering         # None unless linger() was called

    cdef int write_bytes(self, data) except -1
    cdef int write_memory(self, const char* data, Py_ssize_t size) except -1
    cdef int drop_writer(self) except -1
    cdef int write_around(self, iovec* parts, bytes data) except -1
    cdef int postpone_memory(self, const char* data, Py_ssize_t size) except -1
    cdef int linger(
        self, double quiet_seconds, double total_seconds, int64_t bytes_max
    ) except -1
    cdef bint collect(self, bytes data) except -1
    cdef bint may_send_now(self, Py_ssize_t size) noexcept
    cdef bint may_send(self, Py_ssize_t size) except -1
    cdef Writer made_writer(self)
    cdef int flush(self) except -1
    cdef bint write_ended(self) noexcept
    cdef bint is_blocked(self) noexcept

cdef StreamTransport stream_adopt(
    Reactor reactor, Connection* connection, socket_kind, protocol, context
)
cdef StreamTransport stream_open(
    Reactor reactor, int fd, socket_kind, protocol, context, server
)
