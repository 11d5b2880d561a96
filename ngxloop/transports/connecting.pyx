"""StreamConnecting: a TCP connection to a numeric address that is not made yet.

How it works. The fd gets a slot of the pool when connect(2) continues in the background, and is
registered with epoll once, for everything that its transport will ever want: the first OUT reports
that connect(2) has ended, SO_ERROR its result. Then the transport takes the slot over. The slot's
bits hold what the kernel reported in between, so that nothing is registered or read a second time:
a connection costs one epoll_ctl, where asyncio's way through add_writer() needs three. Model:
ngx_event_connect_peer (nginx src/event/ngx_event_connect.c).

To loopback addresses connect(2) has ended when it returns EINPROGRESS: the kernel queues the peer's
packets while connect(2) holds the socket, and processes them before it returns (Linux, tcp_v4_rcv:
the socket's backlog). A second connect(2) returns the result: 0, the error, or EALREADY if the
peer's queue is full. So no wait is needed, and the transport registers the fd like any other.

Rules. The slot OWNS a StreamConnecting, which owns the fd, until make_transport() or close(). A
host that is not a numeric address, or a port that is not a valid number, is left to BaseEventLoop.
Audit hooks get the events that socket objects raise; a socket object is made for them only.
"""

cimport cython
from cpython.contextvars cimport PyContext_CopyCurrent
from libc.errno cimport EALREADY, EINPROGRESS, EINTR, errno
from libc.string cimport memcmp, memcpy

from socket import SOCK_STREAM
from socket import socket as PythonSocket

from ngxloop.core.completion cimport complete
from ngxloop.core.event cimport KIND_TRANSPORT, Connection, Event
from ngxloop.core.linux cimport (
    AF_INET,
    AF_INET6,
    EPOLLET,
    EPOLLIN,
    EPOLLOUT,
    EPOLLPRI,
    EPOLLRDHUP,
    IPPROTO_TCP,
    SO_ERROR,
    SOCK_CLOEXEC,
    SOCK_NONBLOCK,
    SOL_SOCKET,
    TCP_NODELAY,
    close,
    connect,
    getpeername,
    getsockopt,
    in6addr_loopback,
    ntohl,
    setsockopt,
    sockaddr,
    sockaddr_in,
    sockaddr_in6,
    sockaddr_storage,
    socket,
    socklen_t,
)
from ngxloop.core.oserr cimport raise_os_error
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.sockaddr cimport address_fill, address_object
from ngxloop.transports.stream cimport StreamTransport, stream_adopt

cdef extern from "Python.h":
    # with O&: converter and its argument, called only if there are hooks
    int PySys_Audit(
        const char* event,
        const char* form,
        object (*first_converter)(void*),
        void* first_argument,
        object (*second_converter)(void*),
        void* second_argument,
    ) except -1

cdef int STREAM_KIND = SOCK_STREAM
# The arguments of socket.socket(), by family, in case the transport is asked for one.
cdef object KIND_4 = (AF_INET, SOCK_STREAM, IPPROTO_TCP)
cdef object KIND_6 = (AF_INET6, SOCK_STREAM, IPPROTO_TCP)


@cython.final
cdef class StreamConnecting:
    """One connection on its way; see the file header."""

    def __cinit__(self):
        self.fd = -1

    def __init__(self):
        raise TypeError("made by connect_begin()")

    def __repr__(self):
        address = address_object(<sockaddr*>&self.address, self.address_size)
        return f"<ngxloop.StreamConnecting fd={self.fd} to {address}>"

    def is_closing(self):
        """Return True once the fd is not ours any more, and others may watch it."""
        return self.fd < 0

    def check(self, int error):
        """Raise the OSError of a connect() that has failed with this errno, if it is one."""
        if error:
            address = address_object(<sockaddr*>&self.address, self.address_size)
            raise OSError(error, f"Connect call failed {address}")

    def make_transport(self, protocol):
        """Return the transport of the connection that is made; the slot and the fd are its own.

        connection_made() is called in the next turn, in a copy of the context of this call.
        """
        cdef Connection* connection = self.connection
        cdef StreamTransport transport
        if connection == NULL:
            raise RuntimeError("Event loop is closed")
        transport = stream_adopt(
            self.loop, connection, self.socket_kind(), protocol, PyContext_CopyCurrent()
        )
        transport.sock = self.sock
        self.connection = NULL
        self.fd = -1
        self.tell_peer(transport)
        return transport

    def close(self):
        """Give up; harmless when the fd is not ours any more."""
        cdef Connection* connection = self.connection
        cdef int fd = self.fd
        self.connection = NULL
        self.fd = -1
        if fd >= 0:
            if self.sock is not None:
                self.sock.close()
            else:
                close(fd)  # epoll forgets it: there are no duplicates
        if connection != NULL:
            self.loop.pool.connection_free(connection)

    def _loop_closed(self):
        """The loop closes, and we with it; the slot is given back by the pool."""
        self.connection = NULL
        self.close()

    cdef bint resolve(self, host, port) except? False:
        """Fill in the address; return False if it must be resolved or refused elsewhere."""
        self.address_size = address_fill(AF_INET, (host, port), &self.address)
        if self.address_size == 0:
            self.address_size = address_fill(AF_INET6, (host, port), &self.address)
        return self.address_size != 0

    cdef tuple socket_kind(self):
        return KIND_4 if self.address.ss_family == AF_INET else KIND_6

    cdef int begin(self) except -1:
        """Make the socket and start to connect it; an error that comes at once rises."""
        cdef int one = 1
        self.fd = socket(
            self.address.ss_family, STREAM_KIND | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP
        )
        if self.fd < 0:
            raise_os_error(errno, None)
        setsockopt(self.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one))
        PySys_Audit(
            "socket.connect", "O&O&", audited_socket, <void*>self, audited_address, <void*>self
        )
        connected = self.is_connected_at_once()
        self.connection = self.loop.connection_claim(self.fd, KIND_TRANSPORT, self)
        if not connected:
            self.wait()
        return 0

    cdef bint is_connected_at_once(self) except? False:
        """Call connect(2); return False if it continues in the background."""
        cdef sockaddr* address = <sockaddr*>&self.address
        if connect(self.fd, address, self.address_size) == 0:
            return True
        if errno == EINPROGRESS and is_loopback(&self.address):
            if connect(self.fd, address, self.address_size) == 0:
                return True
            if errno != EALREADY and errno != EINTR:
                self.check(errno)
        # after EINTR it continues in the background as well: connect(2)
        elif errno != EINPROGRESS and errno != EINTR:
            raise_os_error(errno, None)
        return False

    cdef int wait(self) except -1:
        """Have epoll report when connect(2) has ended."""
        # the kernel reports OUT alone; `read` is what a renewed epoll posts if it fails
        self.connection.read.handler = self.connection.write.handler = connect_ended
        self.connection.write.active = 1
        self.waiter = self.loop.create_future()
        self.loop.poller.poll_add(
            self.connection, EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP | EPOLLET
        )
        return 0

    cdef int ended(self) except -1:
        """connect() has ended, one way or the other: wake the task."""
        cdef int error = 0
        cdef socklen_t size = sizeof(error)
        self.connection.write.active = 0
        if getsockopt(self.fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0:
            error = errno  # the fd was closed by others
        return complete(self.waiter, error)

    cdef int tell_peer(self, StreamTransport transport) except -1:
        """Set the peer of a transport: for IPv4 the address asked for, unless it is 0.0.0.0."""
        cdef socklen_t size = sizeof(transport.peer_raw)
        if self.address.ss_family == AF_INET:
            if (<sockaddr_in*>&self.address).sin_addr.s_addr != 0:
                memcpy(&transport.peer_raw, &self.address, sizeof(sockaddr_in))
                return 0
        if getpeername(transport.fd, <sockaddr*>&transport.peer_raw, &size) < 0:
            transport.peer_raw.sin6_family = 0  # it is gone again
        return 0


cdef bint is_loopback(const sockaddr_storage* address) noexcept:
    if address.ss_family == AF_INET:
        return ntohl((<const sockaddr_in*>address).sin_addr.s_addr) >> 24 == 127
    return memcmp(
        &(<const sockaddr_in6*>address).sin6_addr, &in6addr_loopback, sizeof(in6addr_loopback)
    ) == 0


cdef object audited_socket(void* pointer):
    """Return the socket object that audit hooks are shown; it owns the fd from now on."""
    cdef StreamConnecting connecting = <StreamConnecting>pointer  # BORROWS: our caller's
    connecting.sock = PythonSocket(*connecting.socket_kind(), fileno=connecting.fd)
    connecting.sock.settimeout(0.0)
    return connecting.sock


cdef object audited_address(void* pointer):
    cdef StreamConnecting connecting = <StreamConnecting>pointer  # BORROWS: our caller's
    return address_object(<sockaddr*>&connecting.address, connecting.address_size)


cdef int connect_ended(Event* ev) except -1:
    cdef StreamConnecting connecting = <StreamConnecting>ev.data
    return connecting.ended()


def connect_begin(Reactor loop not None, host, port):
    """Start to connect; return None if the host is not numeric or the port is unusual.

    Raises:
        OSError: the kernel refuses at once: no fds left, network unreachable.
    """
    cdef StreamConnecting connecting = StreamConnecting.__new__(StreamConnecting)
    connecting.loop = loop
    if not connecting.resolve(host, port):
        return None
    try:
        connecting.begin()
    except BaseException:
        connecting.close()
        raise
    return connecting
