"""DatagramSender: the sending half of an endpoint for datagrams."""

from libc.stdint cimport uint64_t

from ngxloop.core.event cimport Event
from ngxloop.transports.datagram_outbox cimport DatagramOutbox
from ngxloop.transports.socket_transport cimport SocketTransport

cdef class DatagramSender(SocketTransport):
    cdef DatagramOutbox outbox
    cdef object address              # the only one that sendto() takes, None if it takes any
    cdef int family
    cdef uint64_t sent_turn          # while joining: the turn of the last that was sent at once
    cdef bint connected              # the socket has a peer
    cdef bint peer_named             # and that has an address: others are ignored
    cdef bint blocked                # the kernel takes no more: wait for OUT, or for a timer
    cdef bint more_to_deliver        # the protocol has further datagrams before it in this event
    cdef bint sending                # flush() is under way

    cdef int send_bytes(self, bytes data, address) except -1
    cdef int send_now(self, bytes data, address) except -1
    cdef bint send_resolved(self, bytes data, address, bint in_call) except -1
    cdef int append(self, bytes data, address) except -1
    cdef int flush(self) except -1
    cdef int flush_some(self) except -1
    cdef int after_flush(self) except -1
    cdef int wait_writable(self) except -1
    cdef int keep_datagram(self, bytes data, address) except -1
    cdef int send_late(self, bytes data, address) except -1
    cdef int send_lost(self) except -1
    cdef int tell_error(self, exc) except -1

cdef int datagram_write(Event* ev) except -1
