"""DatagramTransport: an endpoint that receives datagrams, and by its base class sends them."""

from ngxloop.transports.datagram_inbox cimport DatagramInbox
from ngxloop.transports.datagram_sender cimport DatagramSender

cdef class DatagramTransport(DatagramSender):
    cdef list kept                   # (data, address) received while the protocol stopped reading
    cdef unsigned int receive_count  # datagrams to receive at once
    cdef bint plain                  # of a family with addresses that core/sockaddr can read
    cdef bint has_end                # a connection of records: an empty one is the peer's end

    cdef int read_ready(self) except -1
    cdef int receive(self) except -1
    cdef int receive_other(self) except -1
    cdef int receive_failed(self, int error) except -1
    cdef int deliver(self, DatagramInbox inbox, unsigned int count) except -1
    cdef int deliver_kept(self) except -1
    cdef int deliver_one(self, bytes data, address) except -1
    cdef int call_received(self, bytes data, address) except -1
    cdef int keep(self, DatagramInbox inbox, unsigned int first, unsigned int count) except -1
