"""SocketTransport: what every transport on a socket has."""

from ngxloop.core.event cimport Connection
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.sockaddr cimport TcpAddress
from ngxloop.transports.flow cimport FlowControl

cdef class SocketTransport(FlowControl):
    cdef dict __dict__               # test suites replace methods; not allocated until then
    cdef object __weakref__
    cdef Connection* connection      # BORROWED: our slot; NULL once released or the loop is closed
    cdef int fd                      # the socket, -1 once closed
    cdef object sock                 # the Python socket that owns fd; None until asked for
    cdef object shared_sock          # what get_extra_info('socket') answers
    cdef object socket_kind          # (family, type, proto) for making sock
    cdef object server               # the Server it was accepted by, or None
    cdef object extra                # further answers of get_extra_info, None or a dict
    cdef object local                # address of our end; None until known
    cdef object peer                 # address of the other end; None until known
    cdef TcpAddress peer_raw         # the same as accept4 gave it, family 0 if it did not
    cdef object exception            # why the connection is lost
    cdef bint started                # connection_made() was called
    cdef bint accepted               # counts for the gate of the loop
    cdef bint closing                # close() or abort() was called, or the peer is gone
    cdef int lost_count              # > 0: connection_lost is scheduled; counts writes since then

    cdef int open(self, Reactor reactor, int fd, protocol, context, server) except -1
    cdef object sock_address(self)
    cdef object peer_address(self)
    cdef object python_socket(self)
    cdef int fatal_error(self, exc, str message) except -1
    cdef int schedule_lost(self, exc) except -1
    cdef int lose(self) except -1
    cdef int release(self) except -1
    cdef int detach(self) except -1
    cdef int close_fd(self) except -1
    cdef int send_output(self) except -1
    cdef int drop_output(self) except -1
    cdef int send_failed(self, int error) except -1
    cdef int lost_write(self, str text) except -1
    cdef int call_reported(self, str method, tuple args) except -1

cdef int set_nodelay(sock) except -1
