"""DatagramInbox: the memory that the datagrams of one event are received into."""

from ngxloop.core.linux cimport iovec, mmsghdr, sockaddr_storage
from ngxloop.core.reactor cimport Reactor

cdef class DatagramInbox:
    cdef unsigned int capacity       # datagrams
    cdef char* memory                # OWNS: a place for the data of each
    cdef mmsghdr* headers            # OWNS: one for each
    cdef iovec* vectors              # OWNS: one for each
    cdef sockaddr_storage* names     # OWNS: the sender of each
    cdef bint lent                   # in use by a delivery: nothing may be received into it now

    cdef int receive(self, int fd, unsigned int count) noexcept
    cdef bytes data(self, unsigned int i)
    cdef object address(self, unsigned int i)

cdef DatagramInbox inbox_get(Reactor reactor, int family)
