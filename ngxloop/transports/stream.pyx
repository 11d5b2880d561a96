"""StreamTransport: TCP and Unix stream connections.

The base class reads, the Writer writes; here is a connection's life.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_CopyCurrent
from libc.errno cimport errno
from libc.stdint cimport int64_t

import asyncio
from asyncio import constants, transports

from ngxloop.core.event cimport Connection, Event
from ngxloop.core.limits cimport RECEIVE_BYTES
from ngxloop.core.linux cimport AF_INET, AF_INET6, EPOLLET, EPOLLIN, EPOLLPRI, EPOLLRDHUP
from ngxloop.core.linux cimport MSG_NOSIGNAL, iovec, send
from ngxloop.core.oserr cimport os_error
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.sockaddr cimport local_address, peer_address
from ngxloop.core.watch cimport socket_to_fd
from ngxloop.transports.lingering cimport lingering_new
from ngxloop.transports.reading cimport ReadingTransport
from ngxloop.transports.socket_transport cimport SocketTransport, set_nodelay
from ngxloop.transports.transport cimport transport_start
from ngxloop.transports.writing cimport Writer, copied


class _PublicTransport(transports._FlowControlMixin, asyncio.Transport):
    """What a StreamTransport appears to be: isinstance() checks __class__."""


@cython.final
cdef class StreamTransport(ReadingTransport):
    """A TCP or Unix stream connection; see the file header."""

    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE
    _start_tls_compatible = True
    max_size = RECEIVE_BYTES

    def __init__(self):
        raise TypeError("transports are made by create_connection(), create_server() and the like")

    @property
    def __class__(self):
        return _PublicTransport

    def __repr__(self):
        state = "closed" if self.fd < 0 else "closing" if self.closing else "open"
        text = f"<ngxloop.StreamTransport {state} fd={self.fd}"
        if self.fd >= 0:
            text += f" read={'paused' if self.paused else 'polling'}"
            text += f" write=<{'polling' if self.is_blocked() else 'idle'}, "
            text += f"bufsize={self.buffered_bytes()}>"
        return text + ">"

    # ---- writing

    def write(self, data):
        """Send data; never blocks.

        Args:
            data: bytes, which are kept until sent; or a bytearray or memoryview, which are copied.

        Raises:
            TypeError: data is none of these.
            RuntimeError: write_eof() was called, or a sendfile() is under way.
        """
        self.write_bytes(data)

    def writelines(self, list_of_data):
        """Send several pieces in one call of the kernel; see write."""
        cdef bint waiting = False
        for data in [data if type(data) is bytes else copied(data) for data in list_of_data]:
            waiting |= self.collect(data)
        if waiting:
            self.writer.send_soon(self)

    def write_eof(self):
        """Send what is buffered, then the end of our half of the connection."""
        if self.closing or self.write_ended():
            return
        self.made_writer().end(self)

    def can_write_eof(self):
        """Return True: each half of a stream can be closed by itself."""
        return True

    def get_write_buffer_size(self):
        """Return how many bytes wait because the kernel takes no more."""
        self.flush()
        return self.buffered_bytes()

    def close(self):
        """Send what is buffered, then close; connection_lost(None) follows, never from in here."""
        if self.closing:
            return
        self.flush()
        if self.closing:  # sending failed
            return
        self.closing = True
        if self.connection == NULL:
            raise RuntimeError("Event loop is closed")
        self.connection.read.active = 0
        if self.buffered_bytes() == 0:
            self.drop_output()  # ends a sendfile()
            self.lost_count += 1
            self.schedule_lost(None)

    def _make_empty_waiter(self):
        """Return a future that is done when everything is sent; no write() until it is reset."""
        return self.made_writer().make_empty_waiter(self)

    def _reset_empty_waiter(self):
        """Allow write() again."""
        if self.writer is not None:
            self.writer.empty_waiter = None

    def _wait_writable(self):
        """Return a future that is done when the kernel takes more; for sendfile."""
        if self.closing or self.connection == NULL:
            raise ConnectionError("Connection is closed by peer")
        return self.made_writer().make_writable_waiter(self)

    # ---- attributes that other packages and test suites read

    @property
    def _eof(self):
        return self.write_ended()

    @property
    def _empty_waiter(self):
        return None if self.writer is None else self.writer.empty_waiter

    @property
    def _buffer(self):
        """What waits to be sent, as bytes."""
        return b"" if self.writer is None else self.writer.content()

    # ---- life

    cdef int start(self) except -1:
        """Call connection_made(), then read (the first event of the slot)."""
        if not self.begin():
            return 0
        self.connection.read.handler = stream_read
        self.connection.read.active = (self.raw or not self.paused) and not self.closing
        if self.connection.interest:  # since connect(): there may be something to read already
            if self.connection.read.active and self.connection.read.ready:
                self.loop.post(&self.connection.read)
            return 0
        try:
            self.loop.poller.poll_add(
                self.connection, EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET
            )
        except OSError as exc:  # the fd was closed by others
            return self.fatal_error(exc, "Fatal error: the socket cannot be watched.")
        if self.writer is not None:
            self.writer.watch_again(self)
        return 0

    cdef int linger(
        self, double quiet_seconds, double total_seconds, int64_t bytes_max
    ) except -1:
        """Close as close() does, but first read what the peer sends, until it ends.

        Args:
            quiet_seconds: without a byte it waits no longer than this for the next one.
            total_seconds: it lasts no longer than this.
            bytes_max: what is read altogether; 0: any number.
        """
        if self.read_ended:
            self.close()
        else:
            self.flush()
        if self.closing:
            return 0
        if self.connection == NULL:
            raise RuntimeError("Event loop is closed")
        self.closing = True
        self.lingering = lingering_new(self, quiet_seconds, total_seconds, bytes_max)
        self.connection.read.active = 1
        if self.connection.read.ready:
            self.loop.post(&self.connection.read)
        return self.lingering.output_sent() if self.buffered_bytes() == 0 else 0

    cdef int read_unwanted(self) except -1:
        if self.lingering is not None and self.connection != NULL and not self.lost_count:
            return self.lingering.receive()
        return ReadingTransport.read_unwanted(self)

    cdef int close_sent(self) except -1:
        if self.lingering is not None and not self.lost_count:
            return self.lingering.output_sent()
        return ReadingTransport.close_sent(self)

    cdef int released(self, Reactor reactor) except -1:
        if self.lingering is not None:
            self.lingering.transport = None
            self.lingering.deadline_stop()
            self.lingering = None
        return ReadingTransport.released(self, reactor)

    # ---- the writing half

    cdef int write_bytes(self, data) except -1:
        """Do what write() does."""
        cdef bytes content = data if type(data) is bytes else copied(data)
        if not self.may_send(PyBytes_GET_SIZE(content)):
            return 0
        if self.writer.size == 0 and not self.loop.joining:
            return self.writer.send_now(self, content)
        self.writer.append(content)
        return self.writer.send_soon(self)

    cdef bint collect(self, bytes data) except -1:
        """Keep data; return whether there is any, and so writer.send_soon() is to follow."""
        if not self.may_send(PyBytes_GET_SIZE(data)):
            return False
        self.writer.append(data)
        return True

    cdef int write_memory(self, const char* data, Py_ssize_t size) except -1:
        """Do what write() does; of data only what the kernel does not take is copied.

        What it takes at once needs no Writer.
        """
        cdef ssize_t count
        cdef int error
        if self.writer is None and self.may_send_now(size):
            count = send(self.fd, data, size, MSG_NOSIGNAL)
            error = errno
            if count == size:
                self.loop.sent_bytes += size
                return 0
            return self.made_writer().keep_rest(self, data, size, count, error)
        if not self.may_send(size):
            return 0
        return self.writer.send_memory(self, data, size)

    cdef bint may_send_now(self, Py_ssize_t size) noexcept:
        """Return whether data may go to the kernel without further questions."""
        return size and not self.lost_count and self.connection != NULL and not self.loop.joining

    cdef int drop_writer(self) except -1:
        """Let go of the writer of an idle connection; the next write makes another one.

        Only events call this, as others are called by the writer.
        """
        if self.connection == NULL or not self.connection.reusable or self.connection.write.posted:
            return 0
        if not self.writer.is_needed():
            self.writer = None
        return 0

    cdef int write_around(self, iovec* parts, bytes data) except -1:
        """Write three pieces: data, which is kept until sent, and memory before and after it."""
        if not self.may_send(PyBytes_GET_SIZE(data)):
            return 0
        return self.writer.send_around(self, parts, data)

    cdef int postpone_memory(self, const char* data, Py_ssize_t size) except -1:
        """Write a copy of data together with what follows while the read handler runs.

        It is sent when that returns, and before this or an inner turn ends.
        """
        if not self.may_send(size):
            return 0
        return self.writer.postpone(self, PyBytes_FromStringAndSize(data, size))

    cdef bint may_send(self, Py_ssize_t size) except -1:
        """Return whether there is data, and a connection for it; raise what write() raises."""
        if self.writer is None:
            self.writer = Writer.__new__(Writer)
        if self.writer.ended or self.writer.empty_waiter is not None:
            self.writer.refuse_write()
        if size == 0:
            return False
        if self.lost_count:
            self.lost_write("socket.send() raised exception.")
            return False
        if self.connection == NULL:
            raise RuntimeError("Event loop is closed")
        return True

    cdef Writer made_writer(self):
        """Return the writer, which is made when it is needed."""
        if self.writer is None:
            self.writer = Writer.__new__(Writer)
        return self.writer

    cdef int flush(self) except -1:
        """Send what waits, as far as the kernel takes it."""
        return 0 if self.writer is None else self.writer.flush(self)

    cdef bint write_ended(self) noexcept:
        return self.writer is not None and self.writer.ended

    cdef bint is_blocked(self) noexcept:
        return self.writer is not None and self.writer.blocked

    cdef Py_ssize_t buffered_bytes(self) noexcept:
        return 0 if self.writer is None else self.writer.size

    cdef int limits_changed(self) except -1:
        self.flush()
        return SocketTransport.limits_changed(self)

    cdef int send_output(self) except -1:
        return self.flush()

    cdef int drop_output(self) except -1:
        return 0 if self.writer is None else self.writer.drop()

    cdef int send_failed(self, int error) except -1:
        return self.fatal_error(os_error(error, None), "Fatal write error on socket transport")


cdef StreamTransport stream_open(
    Reactor reactor, int fd, socket_kind, protocol, context, server
):
    """Return a transport for a connected, non-blocking socket.

    connection_made() is called in the next turn. On failure fd stays the caller's.
    """
    cdef StreamTransport transport = StreamTransport.__new__(StreamTransport)
    transport.socket_kind = socket_kind
    transport.use_protocol(protocol)
    transport.open(reactor, fd, protocol, context, server)
    # A receive stops behind a message with passed fds; urgent data of TCP comes with EPOLLPRI.
    # Tried: recvmsg(), whose MSG_CTRUNC reports such fds, and no receive that finds nothing. It
    # saves a system call a message, but the loop sleeps sooner and wakes up for fewer events:
    # 2.8 us a message on 32 connections instead of 2.5 (unix_echo_protocol:64B-32), and no gain
    # on one.
    transport.connection.read.drain = socket_kind[0] not in (AF_INET, AF_INET6)
    stream_schedule(transport)
    return transport


cdef StreamTransport stream_adopt(
    Reactor reactor, Connection* connection, socket_kind, protocol, context
):
    """Return a transport that takes over a slot, which is registered, with its state."""
    cdef StreamTransport transport = StreamTransport.__new__(StreamTransport)
    transport.socket_kind = socket_kind
    transport.use_protocol(protocol)
    reactor.pool.connection_pass(connection, transport)
    transport.use_slot(reactor, connection, protocol, context)
    stream_schedule(transport)
    return transport


cdef int stream_schedule(StreamTransport transport) except -1:
    """Let the first event of the slot, which calls connection_made(), run in the next turn."""
    transport.connection.read.handler = transport_start
    transport.connection.write.handler = stream_write
    transport.loop.post(&transport.connection.read)
    return 0


cdef int stream_read(Event* ev) except -1:
    cdef StreamTransport transport = <StreamTransport>ev.data
    transport.read_ready()
    return 0 if transport.writer is None else settle_writer(transport)


cdef int stream_write(Event* ev) except -1:
    """The kernel takes more, or a turn ends and its writes were joined."""
    cdef StreamTransport transport = <StreamTransport>ev.data
    if ev.active:
        ev.active = 0
        transport.writer.unblock()
    return 0 if transport.writer is None else settle_writer(transport)


cdef int settle_writer(StreamTransport transport) except -1:
    """An event ends: send what waits, and let go of a writer without work."""
    if transport.writer.size:
        transport.writer.flush(transport)
    return 0 if transport.writer is None else transport.drop_writer()


def connect_stream(Reactor loop not None, sock, protocol, extra, server, context):
    """Return a transport for a Python socket that is connected; it owns the socket from now on.

    Args:
        extra: further answers of get_extra_info(), a dict or None.
        context: the contextvars.Context of every call to the protocol; by default a copy of the
            current one.
    """
    cdef StreamTransport transport
    if context is None:
        context = PyContext_CopyCurrent()
    transport = stream_open(
        loop, socket_to_fd(sock), (sock.family, sock.type, sock.proto), protocol, context, server
    )
    transport.sock = sock
    transport.extra = extra
    transport.local = local_address(transport.fd)
    transport.peer = peer_address(transport.fd)
    set_nodelay(sock)
    return transport
