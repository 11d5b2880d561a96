"""StreamConnecting: a TCP connection that is not made yet."""

from ngxloop.core.event cimport Connection
from ngxloop.core.linux cimport sockaddr_storage, socklen_t
from ngxloop.core.reactor cimport Reactor
from ngxloop.transports.stream cimport StreamTransport

cdef class StreamConnecting:
    cdef Reactor loop
    cdef Connection* connection      # BORROWED: our slot; NULL before connect() and after the end
    cdef int fd                      # -1 once closed, or the transport's
    cdef readonly object waiter      # future: the errno of connect(); None: nothing to wait for
    cdef object sock                 # the socket object that owns fd; None without audit hooks
    cdef sockaddr_storage address    # where to
    cdef socklen_t address_size

    cdef bint resolve(self, host, port) except? False
    cdef tuple socket_kind(self)
    cdef int begin(self) except -1
    cdef bint is_connected_at_once(self) except? False
    cdef int wait(self) except -1
    cdef int ended(self) except -1
    cdef int tell_peer(self, StreamTransport transport) except -1
