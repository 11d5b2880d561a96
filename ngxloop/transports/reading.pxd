"""ReadingTransport: the reading half of a stream connection."""

from ngxloop.core.flag cimport flag
from ngxloop.transports.socket_transport cimport SocketTransport

cdef class ReadingTransport(SocketTransport):
    cdef Py_ssize_t last_bytes       # what the last receive returned
    cdef flag raw                    # the protocol is a Receiver
    cdef flag inside                 # a Receiver is called, straight in the context of this
    cdef flag buffered               # the protocol is a BufferedProtocol
    cdef flag feeds_reader           # the protocol is a StreamReaderProtocol
    cdef flag end_told               # the Receiver knows that the peer has left: peer_left()
    cdef flag read_ended             # the peer's EOF was seen and the protocol keeps the connection

    cdef int use_protocol(self, protocol) except -1
    cdef int read_ready(self) except -1
    cdef int read_unwanted(self) except -1
    cdef int receive(self) except -1
    cdef int deliver_inside(self, bytes data) except -1
    cdef int receive_for_reader(self) except -1
    cdef int feed_reader(self, reader, Py_ssize_t size) except -1
    cdef char* receive_memory(self) except? NULL
    cdef bytes receive_shared(self)
    cdef bytes receive_direct(self)
    cdef int receive_into(self) except -1
    cdef bint receive_view(self, context, Py_buffer* view) except -1
    cdef int received(self, Py_ssize_t count, Py_ssize_t wanted_bytes) except -1
    cdef int nothing_received(self, ssize_t count, int error) except -1
    cdef int peer_ended(self) except -1
