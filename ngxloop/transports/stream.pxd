"""StreamTransport: TCP and Unix stream connections."""

from ngxloop.core.reactor cimport Reactor
from ngxloop.transports.base cimport SocketTransport
from ngxloop.transports.writing cimport Writer

cdef class StreamTransport(SocketTransport):
    cdef Writer writer               # None until the first write
    cdef Py_ssize_t last_bytes       # what the last receive brought
    cdef bint raw                    # the protocol is a Receiver
    cdef bint buffered               # the protocol is a BufferedProtocol
    cdef bint paused                 # pause_reading() was called
    cdef bint read_ended             # the peer's EOF was seen and the protocol keeps the connection

    cdef int start(self) except -1
    cdef int use_protocol(self, protocol) except -1
    cdef int read_ready(self) except -1
    cdef int receive(self) except -1
    cdef int receive_raw(self) except -1
    cdef bytes receive_shared(self)
    cdef bytes receive_direct(self)
    cdef int receive_into(self) except -1
    cdef int received(self, Py_ssize_t count, Py_ssize_t wanted_bytes) except -1
    cdef int nothing_received(self, ssize_t count, int error) except -1
    cdef int peer_ended(self) except -1
    cdef int write_bytes(self, data) except -1
    cdef Writer made_writer(self)
    cdef int flush(self) except -1
    cdef bint write_ended(self) noexcept
    cdef bint is_blocked(self) noexcept

cdef StreamTransport stream_open(
    Reactor reactor, int fd, socket_kind, protocol, context, server
)
