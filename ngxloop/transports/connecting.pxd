"""StreamConnecting: a TCP connection that is not made yet."""

from ngxloop.core.event cimport Connection
from ngxloop.core.linux cimport sockaddr_storage, socklen_t
from ngxloop.core.reactor cimport Reactor

cdef class StreamConnecting:
    cdef Reactor loop
    cdef Connection* connection      # BORROWED: our slot; NULL before connect() and after the end
    cdef int fd                      # -1 once closed, or the transport's
    cdef readonly object waiter      # future: the errno of connect(), 0 if it is connected
    cdef sockaddr_storage address    # where to
    cdef socklen_t address_size

    cdef bint resolve(self, host, port) except? False
    cdef int begin(self) except -1
    cdef int ended(self) except -1
