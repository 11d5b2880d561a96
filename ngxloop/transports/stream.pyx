"""StreamTransport: TCP and Unix stream connections.

Reading. The fd is registered once, edge-triggered; `read.ready` remembers that there may be more to
read, so pausing and resuming are flags. One receive per event and turn: a connection that sends
without pause gets its event posted again behind the others. A receive that brought less than it
asked for has emptied the kernel's buffer, unless `read.drain` says that this proves nothing: then
one more brings the 0. Bytes go to the loop's buffer and from there to a bytes object of the right
size; a connection that keeps sending a lot receives straight into a bytes object. An idle
connection has no buffer.
"""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_CopyCurrent
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF
from libc.errno cimport EAGAIN, EINTR, errno

import asyncio
import logging
from asyncio import constants, transports

from ngxloop.core.event cimport Event
from ngxloop.core.handle cimport call_in_context, raise_outside
from ngxloop.core.limits cimport DIRECT_RECEIVE_BYTES, RECEIVE_BYTES
from ngxloop.core.linux cimport (
    AF_INET,
    AF_INET6,
    EPOLLET,
    EPOLLIN,
    EPOLLPRI,
    EPOLLRDHUP,
    recv,
)
from ngxloop.core.oserr cimport os_error
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.sockaddr cimport local_address, peer_address
from ngxloop.transports.base cimport SocketTransport, set_nodelay
from ngxloop.transports.receiver cimport Receiver
from ngxloop.transports.writing cimport Writer, copied

# Declared here without Cython's error checks, see ngxloop.core.handle.
cdef extern from "Python.h":
    PyObject* PyObject_CallMethodOneArg(object owner, object name, object arg)
    int PyContext_Enter(object context)
    int PyContext_Exit(object context)
    int _PyBytes_Resize(PyObject** data, Py_ssize_t size) except -1
    PyObject* new_bytes "PyBytes_FromStringAndSize"(char* content, Py_ssize_t size) except NULL
    char* bytes_content "PyBytes_AS_STRING"(PyObject* data)

logger = logging.getLogger("asyncio")


class _PublicTransport(transports._FlowControlMixin, asyncio.Transport):
    """What a StreamTransport appears to be: isinstance() looks at __class__."""


@cython.final
cdef class StreamTransport(SocketTransport):
    """A TCP or Unix stream connection; see the file header."""

    _sendfile_compatible = constants._SendfileMode.TRY_NATIVE
    _start_tls_compatible = True
    max_size = RECEIVE_BYTES

    def __init__(self):
        raise TypeError("transports are made by create_connection(), create_server() and their kin")

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

    # ---- reading

    def is_reading(self):
        """Return True if data is delivered as it comes."""
        return not self.closing and not self.paused

    def pause_reading(self):
        """Deliver nothing until resume_reading(); harmless when paused. Costs no system call."""
        if self.closing or self.paused:
            return
        self.paused = True
        self.connection.read.active = 0

    def resume_reading(self):
        """Deliver data again; harmless when not paused."""
        if self.closing or not self.paused:
            return
        self.paused = False
        if self.read_ended:
            return
        self.connection.read.active = 1
        if self.connection.read.ready:
            self.loop.post(&self.connection.read)

    def set_protocol(self, protocol):
        """Give the connection to another protocol, at any time; Protocol or BufferedProtocol."""
        self.use_protocol(protocol)

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
        for data in [data if type(data) is bytes else copied(data) for data in list_of_data]:
            self.write_bytes(data)

    def write_eof(self):
        """Send what is buffered, then the end of our half of the connection."""
        if self.closing or self.write_ended():
            return
        self.made_writer().end(self)

    def can_write_eof(self):
        """Return True: a stream can be closed by halves."""
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

    # ---- attributes that other packages and test suites look at

    @property
    def _paused(self):
        return self.paused

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
        """Tell the protocol of the connection, then let it read (the first event of the slot)."""
        self.started = True
        self.call_reported("connection_made", (self,))
        if self.connection == NULL or self.lost_count:
            return 0
        self.connection.read.handler = stream_read
        self.connection.read.active = not self.paused and not self.closing
        try:
            self.loop.poller.poll_add(
                self.connection, EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET
            )
        except OSError as exc:  # somebody else has closed the fd
            return self.fatal_error(exc, "Fatal error: the socket cannot be watched.")
        if self.writer is not None:
            self.writer.watch_again(self)
        return 0

    cdef int use_protocol(self, protocol) except -1:
        self.protocol = protocol
        self.raw = isinstance(protocol, Receiver)
        self.buffered = isinstance(protocol, asyncio.BufferedProtocol)
        return 0

    # ---- the read event

    cdef int read_ready(self) except -1:
        if self.paused or self.closing or self.read_ended:
            return 0  # ready stays set for resume_reading()
        if self.raw:
            self.receive_raw()
        elif self.buffered:
            self.receive_into()
        else:
            self.receive()
        if self.writer is not None and self.writer.size:
            self.writer.flush(self)
        return 0

    cdef int receive(self) except -1:
        """Receive once and hand the bytes to data_received()."""
        cdef PyObject* result
        cdef object context = self.context
        cdef bytes data
        if self.last_bytes < DIRECT_RECEIVE_BYTES:
            data = self.receive_shared()
        else:
            data = self.receive_direct()
        if data is None:
            return 0
        if PyContext_Enter(context) != 0:
            return protocol_failed(self, None, "data_received")
        result = PyObject_CallMethodOneArg(self.protocol, "data_received", data)
        if result == NULL:
            return protocol_failed(self, context, "data_received")
        Py_DECREF(<object>result)
        PyContext_Exit(context)
        return 0

    cdef int receive_raw(self) except -1:
        """Receive once into the loop's buffer and hand that to a Receiver."""
        cdef Receiver receiver = <Receiver>self.protocol
        cdef object context = self.context
        cdef char* buf = self.loop.shared_buffer()
        cdef ssize_t count = recv(self.fd, buf, RECEIVE_BYTES, 0)
        if count <= 0:
            return self.nothing_received(count, errno)
        self.received(count, RECEIVE_BYTES)
        if PyContext_Enter(context) != 0:
            return protocol_failed(self, None, "buffer_updated")
        try:
            receiver.receive(buf, count)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.fatal_error(exc, "Fatal error: protocol.buffer_updated() call failed.")
        finally:
            PyContext_Exit(context)
        return 0

    cdef bytes receive_shared(self):
        """Receive into the loop's buffer and copy; None if there was nothing."""
        cdef char* buf = self.loop.shared_buffer()
        cdef ssize_t count = recv(self.fd, buf, RECEIVE_BYTES, 0)
        if count <= 0:
            self.nothing_received(count, errno)
            return None
        self.received(count, RECEIVE_BYTES)
        return PyBytes_FromStringAndSize(buf, count)

    cdef bytes receive_direct(self):
        """Receive into a new bytes object, larger than last time; None if there was nothing."""
        cdef Py_ssize_t room = min(2 * self.last_bytes, RECEIVE_BYTES)
        cdef PyObject* data = new_bytes(NULL, room)
        cdef ssize_t count = recv(self.fd, bytes_content(data), room, 0)
        cdef int error = errno  # freeing memory may change it
        if count <= 0:
            Py_DECREF(<object>data)
            self.nothing_received(count, error)
            return None
        self.received(count, room)
        if count < room:
            _PyBytes_Resize(&data, count)
        result = <bytes>data
        Py_DECREF(result)  # the reference new_bytes() gave us; the variable has its own
        return result

    cdef int receive_into(self) except -1:
        """Receive once into the buffer of a BufferedProtocol."""
        cdef Py_buffer view
        cdef Py_ssize_t size
        cdef int error
        cdef ssize_t count
        try:
            buf = call_in_context(self.context, self.protocol.get_buffer, (-1,))
            PyObject_GetBuffer(buf, &view, PyBUF_WRITABLE)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            return self.fatal_error(exc, "Fatal error: protocol.get_buffer() call failed.")
        if self.connection == NULL:  # get_buffer() closed a loop that is stepped by hand
            PyBuffer_Release(&view)
            return 0
        size = view.len
        count = recv(self.fd, view.buf, size, 0) if size else 0
        error = errno  # giving the buffer back may run Python code
        PyBuffer_Release(&view)  # the protocol may resize its buffer now
        if size == 0:
            exc = RuntimeError("get_buffer() returned an empty buffer")
            return self.fatal_error(exc, "Fatal error: protocol.get_buffer() call failed.")
        if count <= 0:
            return self.nothing_received(count, error)
        self.received(count, size)
        try:
            call_in_context(self.context, self.protocol.buffer_updated, (count,))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            return self.fatal_error(exc, "Fatal error: protocol.buffer_updated() call failed.")
        return 0

    cdef int received(self, Py_ssize_t count, Py_ssize_t wanted_bytes) except -1:
        """Note what a receive brought; come again in the next turn if there may be more."""
        self.last_bytes = count
        self.loop.received_bytes += count
        if self.connection.reusable:
            self.loop.pool.set_reusable(self.connection, False)
        if count == wanted_bytes or self.connection.read.drain:
            self.loop.post(&self.connection.read)
        else:
            self.connection.read.ready = 0
        return 0

    cdef int nothing_received(self, ssize_t count, int error) except -1:
        """A receive returned 0 (the peer's end) or -1 (error is its errno)."""
        if count == 0:
            return self.peer_ended()
        if error == EAGAIN:
            self.connection.read.ready = 0
            return 0
        if error == EINTR:
            self.loop.post(&self.connection.read)
            return 0
        return self.fatal_error(os_error(error, None), "Fatal read error on socket transport")

    cdef int peer_ended(self) except -1:
        """The peer has sent everything: ask the protocol whether the connection stays open."""
        cdef bint keep_open
        if self.loop.debugging:
            logger.debug("%r received EOF", self)
        try:
            keep_open = bool(call_in_context(self.context, self.protocol.eof_received, ()))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            return self.fatal_error(exc, "Fatal error: protocol.eof_received() call failed.")
        if self.connection == NULL:
            return 0
        self.read_ended = True
        self.connection.read.active = 0
        if not keep_open:
            self.close()
        return 0

    # ---- the writing half

    cdef int write_bytes(self, data) except -1:
        if type(data) is not bytes:
            data = copied(data)
        if self.writer is None:
            self.writer = Writer.__new__(Writer)
        if self.writer.ended or self.writer.empty_waiter is not None:
            self.writer.refuse_write()
        if PyBytes_GET_SIZE(data) == 0:
            return 0
        if self.lost_count:
            return self.lost_write("socket.send() raised exception.")
        return self.writer.write(self, data)

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
    transport.connection.read.handler = stream_start
    # a receive stops behind a message with passed fds; urgent data of TCP comes with EPOLLPRI
    transport.connection.read.drain = socket_kind[0] not in (AF_INET, AF_INET6)
    transport.connection.write.handler = stream_write
    reactor.post(&transport.connection.read)
    return transport


cdef int stream_start(Event* ev) except -1:
    cdef StreamTransport transport = <StreamTransport>ev.data
    return transport.start()


cdef int stream_read(Event* ev) except -1:
    cdef StreamTransport transport = <StreamTransport>ev.data
    return transport.read_ready()


cdef int stream_write(Event* ev) except -1:
    """The kernel takes more, or the turn ends."""
    cdef StreamTransport transport = <StreamTransport>ev.data
    if ev.active:
        ev.active = 0
        transport.writer.unblock()
    return transport.writer.flush(transport)


cdef int protocol_failed(StreamTransport transport, entered_context, str method) except -1:
    """A method of the protocol raised: that ends the connection."""
    try:
        raise_outside(entered_context)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        return transport.fatal_error(exc, f"Fatal error: protocol.{method}() call failed.")


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
        loop, sock.fileno(), (sock.family, sock.type, sock.proto), protocol, context, server
    )
    transport.sock = sock
    transport.extra = extra
    transport.local = local_address(transport.fd)
    transport.peer = peer_address(transport.fd)
    set_nodelay(sock)
    return transport
