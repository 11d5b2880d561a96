"""SocketTransport: what every transport on a socket has.

Rules. The socket object is made when it is requested; from then on it owns the fd, and closing goes
through it. The addresses remain available after the end.
"""

import socket
import sys

from asyncio import trsock

from ngxloop.core.linux cimport AF_INET, AF_INET6, IPPROTO_TCP, TCP_NODELAY, close, sockaddr
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.sockaddr cimport address_object, local_address
from ngxloop.transports.idling cimport idle_add
from ngxloop.transports.transport cimport Transport

# Before 3.13 a Server counts its connections, since then it keeps a set of them.
cdef bint SERVER_KNOWS_TRANSPORTS = sys.version_info >= (3, 13)


cdef class SocketTransport(Transport):
    """The base of stream and datagram transports; see the file header."""

    cdef int open(self, Reactor reactor, int fd, protocol, context, server) except -1:
        """Take a slot for fd; on failure nothing is taken and fd stays the caller's."""
        if server is not None:
            server._attach(self) if SERVER_KNOWS_TRANSPORTS else server._attach()
        self.server = server
        try:
            return self.take_slot(reactor, fd, protocol, context)
        except BaseException:
            self.detach()
            raise

    # ---- what asyncio's transports offer

    def get_extra_info(self, name, default=None):
        """Return what is known of the connection: 'socket', 'sockname', 'peername' and the like.

        'socket' is a TransportSocket, also after close; the addresses remain available, too.
        """
        if name == "peername":
            answer = self.peer_address()
        elif name == "sockname":
            answer = self.sock_address()
        elif name == "socket":
            answer = self.python_socket()
        else:
            answer = None
        if answer is None and self.extra is not None:
            return self.extra.get(name, default)
        return default if answer is None else answer

    def set_reusable(self, reusable):
        """Set whether the connection is idle, so that it may be closed to make room for new ones.

        For servers: True when a keep-alive connection waits for the next request. What is received
        makes it busy again. Under ngxloop-serve, --worker-connections limits their number.
        """
        if self.connection == NULL or self.closing:
            return
        if reusable:
            idle_add(self.loop, self.connection)
        else:
            self.loop.pool.set_reusable(self.connection, False)

    # ---- attributes that other packages and test suites read

    @property
    def _sock(self):
        self.python_socket()
        return self.sock

    @property
    def _sock_fd(self):
        return self.fd

    @property
    def _server(self):
        return self.server

    @property
    def _extra(self):
        """Everything get_extra_info() knows, as one dict."""
        return {
            "socket": self.python_socket(),
            "sockname": self.sock_address(),
            "peername": self.peer_address(),
            **(self.extra or {}),
        }

    # ---- addresses and the socket

    cdef object sock_address(self):
        if self.local is None and self.fd >= 0:
            self.local = local_address(self.fd)
        return self.local

    cdef object peer_address(self):
        if self.peer is None and self.peer_raw.sin6_family != 0:
            self.peer = address_object(<sockaddr*>&self.peer_raw, sizeof(self.peer_raw))
        return self.peer

    cdef object python_socket(self):
        """Return the TransportSocket; it is made here, and the fd is its own from then on.

        The caller may shut the socket down: what was written before is sent first.
        """
        self.send_output()
        if self.shared_sock is None:
            if self.sock is None:
                if self.fd < 0:
                    self.sock = closed_socket(self.socket_kind)
                else:
                    self.sock = socket.socket(*self.socket_kind, fileno=self.fd)
                    self.sock.settimeout(0.0)
            self.shared_sock = trsock.TransportSocket(self.sock)
        return self.shared_sock

    # ---- the end

    cdef int lose(self) except -1:
        if self.local is None:
            self.local = local_address(self.fd)
        return Transport.lose(self)

    cdef bint has_duplicates(self) except -1:
        return self.sock is not None and self.sock.fileno() == self.fd

    cdef int released(self, Reactor reactor) except -1:
        if self.accepted and reactor is not None:
            reactor.gate.connection_closed()
        return self.detach()

    cdef int detach(self) except -1:
        """Leave the server's count."""
        cdef object server = self.server
        self.server = None
        if server is not None:
            server._detach(self) if SERVER_KNOWS_TRANSPORTS else server._detach()
        return 0

    cdef int close_fd(self) except -1:
        cdef int fd = self.fd
        self.fd = -1
        if self.sock is not None:
            self.close_owner(self.sock)
        else:
            close(fd)
        return 0

cdef object closed_socket(kind):
    """Return a closed socket, for a request that comes too late."""
    sock = socket.socket(*kind)  # a socket object cannot be made without an fd
    sock.close()
    return sock


cdef int set_nodelay(sock) except -1:
    """Turn Nagle's algorithm off for a TCP socket, as asyncio does; a listener passes it on.

    A socket that refuses is used as it is: the option changes when bytes leave, not which.
    """
    if sock.family in (AF_INET, AF_INET6) and sock.type == socket.SOCK_STREAM:
        if sock.proto in (0, IPPROTO_TCP):
            try:
                sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
            except OSError:
                return 0
    return 0
