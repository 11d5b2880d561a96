"""SocketTransport: what every transport on a socket has.

A transport's life: open() takes a slot; its first event calls connection_made(); events read and
write; close(), abort() or an error schedules the end; the last event, in the next turn, calls
connection_lost() and release() gives everything back.

Rules. The slot OWNS the transport from open() to release(), so a connection that nobody refers to
stays open, paused or not. connection_lost() is called exactly once and never from inside close().
All calls to the protocol run in one fixed context, as in Python 3.15, on every version. The socket
object is made when somebody asks for it; from then on it owns the fd, and closing goes through it.
"""

import logging
import socket
import sys
import warnings

from asyncio import trsock

from ngxloop.core.event cimport KIND_TRANSPORT, Connection, Event
from ngxloop.core.handle cimport call_in_context
from ngxloop.core.limits cimport LOST_WRITES_LOGGED
from ngxloop.core.linux cimport AF_INET, AF_INET6, IPPROTO_TCP, TCP_NODELAY, close, sockaddr
from ngxloop.core.oserr cimport os_error
from ngxloop.core.ready cimport event_unpost
from ngxloop.core.reactor cimport Reactor, claim_fd
from ngxloop.core.sockaddr cimport address_object, local_address
from ngxloop.transports.flow cimport FlowControl

logger = logging.getLogger("asyncio")

# Before 3.13 a Server counts its connections, since then it knows them.
cdef bint SERVER_KNOWS_TRANSPORTS = sys.version_info >= (3, 13)


cdef class SocketTransport(FlowControl):
    """The base of stream and datagram transports; see the file header."""

    def __cinit__(self, *args, **kwargs):
        self.fd = -1
        self.closing = True  # until open()

    def __del__(self):
        if self.fd < 0:
            return
        try:
            warnings.warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
        finally:  # warnings may be errors
            self.close_fd()
            self.detach()

    cdef int open(self, Reactor reactor, int fd, protocol, context, server) except -1:
        """Take a slot for fd; on failure nothing is taken and fd stays the caller's."""
        claim_fd(reactor, fd)
        if server is not None:
            server._attach(self) if SERVER_KNOWS_TRANSPORTS else server._attach()
        self.server = server
        try:
            self.connection = reactor.pool.connection_get(fd, KIND_TRANSPORT, self)
        except BaseException:
            self.detach()
            raise
        self.fd = fd
        self.loop = reactor
        self.protocol = protocol
        self.context = context
        self.closing = False
        return 0

    # ---- what asyncio's transports offer

    def get_extra_info(self, name, default=None):
        """Return what is known of the connection: 'socket', 'sockname', 'peername' and the like.

        'socket' is a TransportSocket, and stays one after close; the addresses stay known, too.
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

    def is_closing(self):
        """Return True once close() or abort() was called or the connection is lost."""
        return self.closing

    def get_protocol(self):
        """Return the protocol; None once the connection is lost."""
        return self.protocol

    def abort(self):
        """Close at once: what is not sent is lost; connection_lost(None) comes in the next turn."""
        self._force_close(None)

    def _force_close(self, exc):
        """Close at once because of exc; connection_lost(exc) follows in the next turn."""
        if self.lost_count:
            return
        self.drop_output()
        self.closing = True
        self.lost_count += 1
        self.schedule_lost(exc)

    def _fatal_error(self, exc, message="Fatal error on transport"):
        self.fatal_error(exc, message)

    # ---- attributes that other packages and test suites look at

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
    def _closing(self):
        return self.closing

    @property
    def _conn_lost(self):
        return self.lost_count

    @property
    def _extra(self):
        """Everything get_extra_info() knows, as one dict."""
        return {
            "socket": self.python_socket(),
            "sockname": self.sock_address(),
            "peername": self.peer_address(),
            **(self.extra or {}),
        }

    def _loop_closed(self):
        """The loop closes with this connection open: __del__ must close it, with a warning."""
        self.connection = NULL
        self.closing = True

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

        Whoever asks may shut the socket down: what was written before goes out first.
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

    cdef int fatal_error(self, exc, str message) except -1:
        """Report an error and close at once; an OSError is the network's affair and only logged."""
        if isinstance(exc, OSError):
            if self.loop is not None and self.loop.debugging:
                logger.debug("%r: %s", self, message, exc_info=exc)
        elif self.loop is not None:
            self.loop.call_exception_handler({
                "message": message,
                "exception": exc,
                "transport": self,
                "protocol": self.protocol,
            })
        self._force_close(exc)
        return 0

    cdef int schedule_lost(self, exc) except -1:
        """Let the last event of the connection run in the next turn."""
        cdef Connection* connection = self.connection
        if connection == NULL:
            raise RuntimeError("Event loop is closed")
        if connection.read.posted:
            event_unpost(&connection.read)
        if connection.write.posted:
            event_unpost(&connection.write)
        connection.read.active = connection.write.active = 0
        connection.read.handler = transport_lost
        self.exception = exc
        self.loop.post(&connection.read)
        return 0

    cdef int lose(self) except -1:
        """Tell the protocol and give everything back."""
        if self.local is None:
            self.local = local_address(self.fd)
        try:
            if not self.started:  # closed before its first event, by Server.close_clients() say
                self.call_reported("connection_made", (self,))
            self.call_reported("connection_lost", (self.exception,))
        finally:
            self.release()
        return 0

    cdef int release(self) except -1:
        """Close the socket and give back the slot; this may drop the last reference to self."""
        cdef Reactor reactor = self.loop
        cdef Connection* connection = self.connection
        self.connection = NULL
        if connection == NULL:  # connection_lost() has closed a loop that is stepped by hand
            self.close_fd()
            return self.detach()
        if self.sock is not None and self.sock.fileno() == self.fd:
            # others may hold a duplicate, and epoll forgets an fd only with its last duplicate
            reactor.poller.poll_remove(connection)
        self.close_fd()
        if self.accepted:
            reactor.gate.connection_closed()
        self.protocol = self.loop = self.exception = None
        reactor.pool.connection_free(connection)
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
            self.sock.close()
        else:
            close(fd)
        return 0

    cdef int send_output(self) except -1:
        """Send what waits for the end of the turn."""
        return 0

    cdef int drop_output(self) except -1:
        """Forget what is not sent."""
        return 0

    cdef int send_failed(self, int error) except -1:
        """The kernel refused output with this errno."""
        return self.fatal_error(os_error(error, None), "Fatal write error on transport")

    cdef int lost_write(self, str text) except -1:
        """Count a write to a lost connection, and log those after the first few."""
        if self.lost_count >= LOST_WRITES_LOGGED:
            logger.warning(text)
        self.lost_count += 1
        return 0

    cdef int call_reported(self, str method, tuple args) except -1:
        """Call a method of the protocol; an exception goes to the exception handler."""
        cdef object callback = None
        try:
            callback = getattr(self.protocol, method)
            call_in_context(self.context, callback, args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.loop._report_protocol_failure(self, callback, args, exc)
        return 0


cdef int transport_lost(Event* ev) except -1:
    cdef SocketTransport transport = <SocketTransport>ev.data
    return transport.lose()


cdef object closed_socket(kind):
    """Return a socket that is closed, for those who ask when it is too late."""
    sock = socket.socket(*kind)  # a socket object cannot be made without an fd
    sock.close()
    return sock


cdef int set_nodelay(sock) except -1:
    """Turn Nagle's algorithm off for a TCP socket, as asyncio does; a listener passes it on."""
    if sock.family in (AF_INET, AF_INET6) and sock.type == socket.SOCK_STREAM:
        if sock.proto in (0, IPPROTO_TCP):
            sock.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
    return 0
