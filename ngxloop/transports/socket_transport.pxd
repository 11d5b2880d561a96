"""SocketTransport: what every transport on a socket has."""

from ngxloop.core.flag cimport flag
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.sockaddr cimport TcpAddress
from ngxloop.transports.transport cimport Transport

cdef class SocketTransport(Transport):
    cdef object sock                 # the Python socket that owns fd; None until asked for
    cdef object shared_sock          # what get_extra_info('socket') answers
    cdef object socket_kind          # (family, type, proto) for making sock
    cdef object server               # the Server it was accepted by, or None
    cdef object local                # address of our end; None until known
    cdef object peer                 # address of the other end; None until known
    cdef TcpAddress peer_raw         # the same as accept4 gave it, family 0 if it did not
    cdef flag accepted               # counts for the gate of the loop

    cdef int open(self, Reactor reactor, int fd, protocol, context, server) except -1
    cdef object sock_address(self)
    cdef object peer_address(self)
    cdef object python_socket(self)
    cdef int detach(self) except -1

cdef int set_nodelay(sock) except -1
