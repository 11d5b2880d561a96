"""Listener: accepts connections from one listening socket.

Rules. The loop's accept gate decides when the socket is watched and how many connections one event
may take; the listener reports each to the gate. What asyncio does in a task per connection happens
right here: the protocol is made, and connection_made() follows in the same turn. Options of TCP are
set on the listening socket and inherited by every connection, so that they cost no call each.
EMFILE, ENFILE, ENOBUFS and ENOMEM are reported once, then all listeners pause for ACCEPT_RETRY_MS:
the event stays pending and would be reported again at once. Model: ngx_event_accept (nginx).
"""

cimport cython
from asyncio import trsock

from cpython.contextvars cimport PyContext_Copy, PyContext_CopyCurrent
from libc.errno cimport (
    EAGAIN,
    ECONNABORTED,
    EHOSTDOWN,
    EHOSTUNREACH,
    EINTR,
    EMFILE,
    ENETDOWN,
    ENETUNREACH,
    ENFILE,
    ENOBUFS,
    ENOMEM,
    ENONET,
    ENOPROTOOPT,
    EOPNOTSUPP,
    EPERM,
    EPROTO,
    ETIMEDOUT,
    errno,
)
from libc.string cimport memcpy

from ngxloop.core.event cimport KIND_LISTENER, Event
from ngxloop.core.handle cimport call_in_context
from ngxloop.core.limits cimport (
    ACCEPT_RETRY_MS,
    ACCEPT_WAITING_COUNT,
)
from ngxloop.core.linux cimport (
    AF_INET,
    AF_INET6,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    accept4,
    close,
    sockaddr,
    sockaddr_storage,
    socklen_t,
)
from ngxloop.core.oserr cimport os_error
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.sockaddr cimport TcpAddress, address_object
from ngxloop.core.watch cimport socket_to_fd
from ngxloop.transports.socket_transport cimport set_nodelay
from ngxloop.transports.idling cimport close_idle
from ngxloop.transports.stream cimport StreamTransport, stream_open


@cython.final
cdef class Listener:
    """The accepting end of a Server; see the file header."""

    def __init__(self, Reactor loop not None, sock, protocol_factory, server, context=None):
        """Accept from sock, a listening, non-blocking socket, until close().

        Args:
            protocol_factory: called without arguments for each connection.
            server: the Server that counts the connections.
            context: the contextvars.Context that each connection gets a copy of.
        """
        cdef int fd = socket_to_fd(sock)
        if self.loop is not None:
            raise RuntimeError("Listener.__init__() called twice")
        self.loop = loop
        self.sock = sock
        self.socket_kind = (sock.family, sock.type, sock.proto)
        self.protocol_factory = protocol_factory
        self.server = server
        self.context = PyContext_CopyCurrent() if context is None else context
        self.local = fixed_address(sock)
        set_nodelay(sock)
        self.connection = loop.connection_claim(fd, KIND_LISTENER, self)
        self.connection.read.handler = listener_accept
        self.connection.read.accept = 1
        self.connection.read.active = 1
        try:
            loop.gate.listener_add(self.connection)
        except BaseException:
            loop.pool.connection_free(self.connection)
            self.connection = NULL
            raise

    def __repr__(self):
        return f"<ngxloop.Listener {self.sock!r}>"

    def close(self):
        """Stop accepting; the socket stays its Server's. Harmless when closed."""
        cdef Reactor loop = self.loop
        if self.connection == NULL:
            return
        loop.gate.listener_remove(self.connection)
        loop.pool.connection_free(self.connection)
        self.connection = NULL

    def is_closing(self):
        """Return True once close() was called."""
        return self.connection == NULL

    def _loop_closed(self):
        self.connection = NULL

    def accept_waiting(self):
        """Accept every waiting connection, whatever the gate says; for a server about to end."""
        if self.connection != NULL:
            self.accept_some(ACCEPT_WAITING_COUNT)

    cdef int accept_some(self, int limit) except -1:
        """Accept limit connections at most, or as many as there are."""
        cdef sockaddr_storage peer
        cdef socklen_t size
        cdef int fd
        cdef int i
        for i in range(limit):
            size = sizeof(peer)
            fd = accept4(
                self.connection.fd, <sockaddr*>&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC
            )
            if fd >= 0:
                self.loop.accept_count += 1
                self.loop.gate.accepted(self.connection)
                self.open_connection(fd, &peer, size)
                if self.loop.gate.wants_room():
                    close_idle(self.loop)
                if self.connection == NULL:  # the protocol factory closed its server
                    return 0
            elif errno == EAGAIN:
                if i == 0:
                    self.loop.gate.accept_missed()
                return 0
            elif not self.accept_failed(errno):
                return 0
        return 0

    cdef int accept_failed(self, int error) except -1:
        """Return 1 if the next connection may be tried, 0 if not."""
        if error in (EMFILE, ENFILE, ENOBUFS, ENOMEM):
            return self.out_of_resources(error)
        if error in (EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET,
                     EHOSTUNREACH, EOPNOTSUPP, ENETUNREACH, ETIMEDOUT):
            return 1  # the fate of that one connection: accept(2), "Error handling"
        self.loop.call_exception_handler({
            "message": "accept4() failed; the listener is closed",
            "exception": os_error(error, f"accept4(fd={self.connection.fd})"),
            "socket": trsock.TransportSocket(self.sock),
        })
        self.close()
        return 0

    cdef int out_of_resources(self, int error) except -1:
        """Report it once and pause all listeners."""
        cdef Reactor loop = self.loop
        if loop.gate.paused:
            return 0
        loop.accept_pause_count += 1
        loop.gate.pause()
        loop.call_later(ACCEPT_RETRY_MS / 1000.0, resume_accepting, loop)
        loop.call_exception_handler({
            "message": "socket.accept() out of system resource",
            "exception": os_error(error, None),
            "socket": trsock.TransportSocket(self.sock),
        })
        return 0

    cdef int open_connection(self, int fd, sockaddr_storage* peer, size_t size) except -1:
        """Make the protocol and the transport of an accepted socket; close it if that fails."""
        cdef StreamTransport transport
        cdef object protocol = None
        cdef object context
        try:
            context = PyContext_Copy(self.context)
            protocol = call_in_context(context, self.protocol_factory, ())
            transport = stream_open(
                self.loop, fd, self.socket_kind, protocol, context, self.server
            )
        except (SystemExit, KeyboardInterrupt):
            self.drop_connection(fd)
            raise
        except BaseException as exc:
            self.drop_connection(fd)
            self.report_failure(protocol, exc)
            return 0
        transport.accepted = True
        transport.local = self.local
        if peer.ss_family == AF_INET or peer.ss_family == AF_INET6:
            memcpy(&transport.peer_raw, peer, sizeof(TcpAddress))
        else:
            transport.peer = address_object(<sockaddr*>peer, size)
        return 0

    cdef int drop_connection(self, int fd) except -1:
        """Close an accepted socket that got no transport."""
        close(fd)
        self.loop.gate.connection_closed()
        return 0

    def report_failure(self, protocol, exc):
        """Report a connection that could not be served, as newest asyncio does."""
        report = {
            "message": "Error on transport creation for incoming connection",
            "exception": exc,
        }
        if protocol is not None:
            report["protocol"] = protocol
        self.loop.call_exception_handler(report)


def resume_accepting(Reactor loop not None):
    """End the pause that out_of_resources() began."""
    if not loop.closed:
        loop.gate.resume()


cdef int listener_accept(Event* ev) except -1:
    cdef Listener listener = <Listener>ev.data
    return listener.accept_some(listener.loop.gate.accept_limit)


cdef object fixed_address(sock):
    """Return the address that every connection of a listening socket has; None if it can vary."""
    if sock.family not in (AF_INET, AF_INET6):
        return sock.getsockname()
    address = sock.getsockname()
    return None if address[0] in ("0.0.0.0", "::") else address
