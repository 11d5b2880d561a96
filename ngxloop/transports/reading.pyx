"""ReadingTransport: the reading half of a stream connection: receiving, and delivering.

Rules. The fd is registered once, edge-triggered; `read.ready` remembers that there may be more to
read, so pausing and resuming are flags. One receive per event and turn: a connection that sends
without pause gets its event posted again behind the others. A receive that returned less than it
asked for has emptied the kernel's buffer, unless `read.drain` is set: then one more receive returns
0 or the error. Bytes go to the loop's buffer and from there to a bytes object of the right
size; a connection that keeps sending a lot receives straight into a bytes object. A StreamReader is
fed from the loop's buffer, or receives much straight into its own, see streamreader.pyx. An idle
connection has no buffer.

A base class and not a part of the transport, as the Writer is, because every connection reads.
"""

cimport cython
from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release
from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.exc cimport PyErr_Clear
from cpython.object cimport PyObject
from cpython.ref cimport Py_XDECREF
from libc.errno cimport EAGAIN, EINTR, errno

import asyncio
import logging

from ngxloop.core.event cimport DRAIN_END
from ngxloop.core.handle cimport call_in_context, context_enter, raise_outside
from ngxloop.core.limits cimport DIRECT_READER_BYTES, DIRECT_RECEIVE_BYTES, RECEIVE_BYTES
from ngxloop.core.linux cimport recv
from ngxloop.core.oserr cimport os_error
from ngxloop.core.unchecked cimport (
    PyContext_Enter,
    PyContext_Exit,
    PyObject_CallMethodOneArg,
    discard,
    owned,
)
from ngxloop.transports.receiver cimport Receiver
from ngxloop.transports.socket_transport cimport SocketTransport
from ngxloop.transports.streamreader cimport (
    may_feed_reader,
    reader_feed,
    reader_receive,
    reader_wake,
    reader_with_room,
)

cdef extern from "Python.h":
    int get_view "PyObject_GetBuffer"(object owner, Py_buffer* view, int flags)
    int _PyBytes_Resize(PyObject** data, Py_ssize_t size)
    PyObject* new_int "PyLong_FromSsize_t"(Py_ssize_t value)
    PyObject* new_bytes "PyBytes_FromStringAndSize"(char* content, Py_ssize_t size)
    char* bytes_content "PyBytes_AS_STRING"(PyObject* data)

logger = logging.getLogger("asyncio")

# The argument of get_buffer().
cdef object ANY_SIZE = -1


cdef class ReadingTransport(SocketTransport):
    """The base of StreamTransport; see the file header."""

    # ---- what asyncio's transports offer

    def set_protocol(self, protocol):
        """Give the connection to another protocol, at any time; Protocol or BufferedProtocol."""
        self.use_protocol(protocol)
        if self.paused and self.connection != NULL:
            self.reading_paused()

    cdef int reading_paused(self) except -1:
        """Stop delivering; a Receiver still hears of the peer's end, which may be known already."""
        self.connection.read.active = self.raw
        if self.raw and self.connection.read.drain & DRAIN_END:
            self.loop.post(&self.connection.read)
        return 0

    cdef int reading_resumed(self) except -1:
        return 0 if self.read_ended else SocketTransport.reading_resumed(self)

    # ---- the read event

    @cython.final
    cdef int use_protocol(self, protocol) except -1:
        self.protocol = protocol
        self.raw = isinstance(protocol, Receiver)
        self.buffered = isinstance(protocol, asyncio.BufferedProtocol)
        self.feeds_reader = not self.buffered and may_feed_reader(protocol)
        return 0

    @cython.final
    cdef int read_ready(self) except -1:
        if self.paused or self.closing or self.read_ended:
            return self.read_unwanted()  # ready stays set for resume_reading()
        if self.raw:
            call_receiver(self, False)
        elif self.feeds_reader:
            self.receive_for_reader()
        elif self.buffered:
            self.receive_into()
        else:
            self.receive()
        return 0

    cdef int read_unwanted(self) except -1:
        """The kernel reports something while nothing is delivered: tell a Receiver of the end."""
        if not self.raw or self.closing or self.read_ended or self.end_told:
            return 0
        self.end_told = self.connection.read.drain & DRAIN_END
        return call_receiver(self, True) if self.end_told else 0

    @cython.final
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
            PyErr_Clear()
            return self.deliver_inside(data)
        result = PyObject_CallMethodOneArg(self.protocol, "data_received", data)
        if result == NULL:
            return protocol_failed(self, context, "data_received")
        discard(result)
        PyContext_Exit(context)
        return 0

    @cython.final
    cdef int deliver_inside(self, bytes data) except -1:
        """Hand bytes to a protocol in whose context a callback turns the loop."""
        try:
            if self.buffered:
                asyncio.protocols._feed_data_to_buffered_proto(self.protocol, data)
            else:
                self.protocol.data_received(data)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.fatal_error(exc, "Fatal error: protocol.data_received() call failed.")
        return 0

    @cython.final
    cdef int receive_for_reader(self) except -1:
        """Receive once for a StreamReader: much straight into its buffer, else by the loop's."""
        cdef object reader = None
        cdef Py_ssize_t count
        if self.last_bytes >= DIRECT_READER_BYTES and self.loop.receive_buffer != NULL:
            reader = reader_with_room(self.protocol, expected_bytes(self))
        count = receive_to_loop(self) if reader is None else receive_to_reader(self, reader)
        if count == 0:
            return 0
        try:
            self.feed_reader(reader, count)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.fatal_error(exc, "Fatal error: protocol.data_received() call failed.")
        return 0

    @cython.final
    cdef int feed_reader(self, reader, Py_ssize_t size) except -1:
        """Wake a reader that has received; for None, feed what is in the loop's buffer.

        The protocol is called if its reader is unusual.
        """
        cdef object context = self.context
        cdef char* data = self.loop.receive_buffer
        cdef bint entered = context_enter(context)
        try:
            if reader is not None:
                reader_wake(reader)
            elif not reader_feed(self.protocol, data, size):
                self.protocol.data_received(PyBytes_FromStringAndSize(data, size))
        finally:
            if entered:
                PyContext_Exit(context)
        return 0

    @cython.final
    cdef char* receive_memory(self) except? NULL:
        """Return the loop's buffer; NULL if there is no memory for it: the connection is lost."""
        if self.loop.receive_buffer != NULL:
            return self.loop.receive_buffer
        try:
            return self.loop.shared_buffer()
        except MemoryError as exc:
            self.fatal_error(exc, "Fatal read error on socket transport")
            return NULL

    @cython.final
    cdef bytes receive_shared(self):
        """Receive into the loop's buffer and copy; None if there was nothing."""
        cdef Py_ssize_t count = receive_to_loop(self)
        cdef PyObject* data
        if count == 0:
            return None
        data = new_bytes(self.loop.receive_buffer, count)
        if data == NULL:
            receive_failed(self)
            return None
        return <bytes>owned(data)

    @cython.final
    cdef bytes receive_direct(self):
        """Receive into a new bytes object, larger than last time; None if there was nothing."""
        cdef Py_ssize_t room = min(2 * self.last_bytes, RECEIVE_BYTES)
        cdef PyObject* data = new_bytes(NULL, room)
        cdef ssize_t count
        cdef int error
        if data == NULL:
            receive_failed(self)
            return None
        count = recv(self.fd, bytes_content(data), room, 0)
        error = errno  # freeing memory may change it
        if count <= 0:
            discard(data)
            self.nothing_received(count, error)
            return None
        self.received(count, room)
        if count < room and _PyBytes_Resize(&data, count) < 0:
            receive_failed(self)
            return None
        return <bytes>owned(data)

    @cython.final
    cdef int receive_into(self) except -1:
        """Receive once into the buffer of a BufferedProtocol."""
        cdef Py_buffer view
        cdef PyObject* result
        cdef object context = self.context
        if not context_enter(context):
            return self.deliver_inside(self.receive_shared() or b"")
        result = PyObject_CallMethodOneArg(self.protocol, "get_buffer", ANY_SIZE)
        if result == NULL or get_view(<object>result, &view, PyBUF_WRITABLE) != 0:
            Py_XDECREF(result)
            return protocol_failed(self, context, "get_buffer")
        discard(result)  # the view has a reference of its own
        if self.connection == NULL:  # get_buffer() closed a loop that is stepped by hand
            PyBuffer_Release(&view)
        elif self.receive_view(context, &view):
            result = tell_size(self.protocol, self.last_bytes)
            if result == NULL:
                return protocol_failed(self, context, "buffer_updated")
            discard(result)
        else:
            return 0
        PyContext_Exit(context)
        return 0

    @cython.final
    cdef bint receive_view(self, context, Py_buffer* view) except -1:
        """Receive into the view and release it; if there was nothing, leave the context, False."""
        cdef Py_ssize_t size = view.len
        cdef ssize_t count = recv(self.fd, view.buf, size, 0) if size else 0
        cdef int error = errno  # giving the buffer back may run Python code
        PyBuffer_Release(view)  # the protocol may resize its buffer now
        if count > 0:
            self.received(count, size)
            return True
        PyContext_Exit(context)
        if size:
            self.nothing_received(count, error)
            return False
        exc = RuntimeError("get_buffer() returned an empty buffer")
        self.fatal_error(exc, "Fatal error: protocol.get_buffer() call failed.")
        return False

    @cython.final
    cdef int received(self, Py_ssize_t count, Py_ssize_t wanted_bytes) except -1:
        """Record what a receive returned; run again in the next turn if there may be more."""
        self.last_bytes = count
        self.loop.received_bytes += count
        if self.connection.reusable:
            self.loop.pool.set_reusable(self.connection, False)
        if count == wanted_bytes or self.connection.read.drain:
            self.loop.post(&self.connection.read)
        else:
            self.connection.read.ready = 0
        return 0

    @cython.final
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

    @cython.final
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


cdef inline Py_ssize_t receive_to_loop(ReadingTransport transport) except -1:
    """Receive once into the loop's buffer; return how much there is to deliver, maybe nothing."""
    cdef char* buf = transport.receive_memory()
    if buf == NULL:
        return 0
    return taken(transport, recv(transport.fd, buf, RECEIVE_BYTES, 0))


cdef int call_receiver(ReadingTransport transport, bint has_left) except -1:
    """Receive once and hand that to a Receiver; or tell it that the peer has left."""
    cdef Receiver receiver = <Receiver>transport.protocol
    cdef object context = transport.context
    cdef Py_ssize_t count = 0 if has_left else receive_to_loop(transport)
    cdef bint entered
    if count == 0 and not has_left:
        return 0
    transport.inside = entered = context_enter(context)
    try:
        if has_left:
            receiver.peer_left()
        else:
            receiver.receive(transport.loop.receive_buffer, count)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        transport.fatal_error(exc, "Fatal error: protocol.receive() call failed.")
    finally:
        transport.inside = False
        if entered:
            PyContext_Exit(context)
    return 0


cdef Py_ssize_t receive_to_reader(ReadingTransport transport, reader) except -1:
    """Receive once into the room that a reader has made; the loop's buffer takes the rest."""
    return taken(transport, reader_receive(
        reader, transport.fd, expected_bytes(transport), transport.loop.receive_buffer
    ))


cdef inline Py_ssize_t taken(ReadingTransport transport, ssize_t count) except -1:
    """Record what a receive of RECEIVE_BYTES returned; return how much there is to deliver."""
    if count > 0:
        transport.received(count, RECEIVE_BYTES)
        return count
    transport.nothing_received(count, errno)
    return 0


cdef inline Py_ssize_t expected_bytes(ReadingTransport transport) noexcept:
    """Return how much to expect: as much as last time, and a little more."""
    return min(transport.last_bytes + transport.last_bytes // 8, RECEIVE_BYTES)


cdef PyObject* tell_size(protocol, Py_ssize_t size) noexcept:
    """Return what protocol.buffer_updated(size) returns; NULL, with the exception, if it fails."""
    cdef PyObject* number = new_int(size)
    cdef PyObject* result = NULL
    if number != NULL:
        result = PyObject_CallMethodOneArg(protocol, "buffer_updated", <object>number)
    Py_XDECREF(number)
    return result


cdef int receive_failed(ReadingTransport transport) except -1:
    """There is no memory for received data: a stream with a gap is worse than none."""
    try:
        raise_outside(None)
    except MemoryError as exc:
        return transport.fatal_error(exc, "Fatal read error on socket transport")


cdef int protocol_failed(ReadingTransport transport, entered_context, str method) except -1:
    """A method of the protocol raised: that ends the connection."""
    try:
        raise_outside(entered_context)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        return transport.fatal_error(exc, f"Fatal error: protocol.{method}() call failed.")
