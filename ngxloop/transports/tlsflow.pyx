# cython: nonecheck=True
"""TlsFlow: how the data of a TLS connection flows between the transport below and the protocol.

Reading. What is received is decrypted at once and delivered in one call; while the protocol has
paused reading it stays ciphertext, and above the read limit the transport below is paused.

Writing. What is written is encrypted and passed down in the call, a record for each write and as
few as possible for writelines(). While the transport below is paused it waits, unencrypted, and
counts for the write limits: the protocol is paused at the high one. asyncio encrypts it at once, so
it counts the same bytes as ciphertext. What has waited becomes as few records as possible, too.

While the loop is joining (set_write_coalescing()), what is written in a turn is encrypted when the
read handler returns, else at the end of the turn, or when there are FLUSH_BYTES.

Rules. The transport below may be of any kind: a stream of ours is fed and written to without a
Python frame, another one (TLS in TLS, foreign transports) through the methods of a Protocol and of
a Transport. The protocol is called inside the connection's context.
"""

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_Clear
from cpython.object cimport PyObject

import asyncio
import logging

from ngxloop.core.event cimport Event
from ngxloop.core.handle cimport raise_pending
from ngxloop.core.limits cimport (
    FLUSH_BYTES,
    LOST_WRITES_LOGGED,
    TLS_READ_HIGH_BYTES,
    TLS_RECORD_BYTES_MAX,
    TLS_SEND_BYTES,
)
from ngxloop.core.ready cimport event_post, event_unpost
from ngxloop.core.unchecked cimport (
    PyContext_Enter,
    PyContext_Exit,
    PyObject_CallMethodOneArg,
    discard,
)
from ngxloop.transports.receiver cimport Receiver
from ngxloop.transports.stream cimport StreamTransport
from ngxloop.transports.tlsengine cimport TLS_HANDSHAKE, TLS_NEW, TLS_WRAPPED

logger = logging.getLogger("asyncio")

cdef str LAYER_ONLY = "TlsLayer does what depends on the state"


cdef class TlsFlow(Receiver):
    """The data of one TLS connection; see the file header. TlsLayer adds its life."""

    def __cinit__(self, *args, **kwargs):
        self.flush_event.handler = tls_flush
        self.flush_event.data = <void*>self  # BORROWED: unposted in __dealloc__
        self.read_high_bytes = TLS_READ_HIGH_BYTES
        self.read_low_bytes = TLS_READ_HIGH_BYTES // 4

    def __dealloc__(self):
        if self.flush_event.posted:
            event_unpost(&self.flush_event)

    @property
    def _app_reading_paused(self):
        """Whether the protocol called pause_reading(); test suites read it."""
        return self.paused

    cdef int use_protocol(self, protocol) except -1:
        if self.app is None:
            return 0
        self.app.protocol = protocol
        self.buffered = isinstance(protocol, asyncio.BufferedProtocol)
        self.raw = isinstance(protocol, Receiver)
        return 0

    cdef bint enter(self) except -1:
        """Enter the connection's context; return False if it is entered already."""
        if PyContext_Enter(self.app.context) != 0:
            PyErr_Clear()
            return False
        return True

    cdef int leave(self, context) except -1:
        return PyContext_Exit(context)

    # ---- reading

    cdef int receive(self, const char* data, Py_ssize_t size) except -1:
        """Take ciphertext from the transport below."""
        if self.engine.state == TLS_WRAPPED:
            return self.read(data, size)
        return self.step(data, size)

    cdef int peer_left(self) except -1:
        """The stream below has ended while the protocol, a Receiver maybe, has paused reading."""
        if self.raw and self.paused and self.app is not None:
            (<Receiver>self.app.protocol).peer_left()
        return 0

    cdef int step(self, const char* data, Py_ssize_t size) except -1:
        """Take ciphertext in any other state."""
        raise NotImplementedError(LAYER_ONLY)

    cdef int read(self, const char* data, Py_ssize_t size) except -1:
        """Decrypt what was received, now or before, and send OpenSSL's answers."""
        try:
            if self.paused:
                if size:
                    self.engine.feed(data, size)
                if self.engine.unencrypted_bytes():  # a thread wrote while the engine was in use
                    self.flush()
            else:
                self.flushed = False
                self.deliver(data, size)
                if not self.flushed:  # the protocol has written nothing
                    self.flush()
            self.hold_or_release()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.fatal_error(exc, "Fatal error on SSL protocol")
        return 0

    cdef int deliver(self, const char* data, Py_ssize_t size) except -1:
        """Deliver plaintext to the protocol, in one call."""
        cdef TlsEngine engine = self.engine
        cdef PyObject* result
        cdef bytes plain
        if self.buffered:
            if size:
                engine.feed(data, size)
            if engine.readable():
                self.deliver_buffered()
        else:
            plain = engine.decrypt(data, size)
            if plain is not None and self.raw:
                (<Receiver>self.app.protocol).receive(
                    PyBytes_AS_STRING(plain), PyBytes_GET_SIZE(plain)
                )
            elif plain is not None:
                result = PyObject_CallMethodOneArg(self.app.protocol, "data_received", plain)
                if result == NULL:
                    raise_pending()
                discard(result)
        if engine.failure is not None:
            failure, engine.failure = engine.failure, None
            raise failure
        if engine.peer_closed:
            self.peer_closed()
        return 0

    cdef int deliver_buffered(self) except -1:
        """Read into the protocol's buffer; if that is full, again in the next turn."""
        cdef TlsEngine engine = self.engine
        cdef Py_ssize_t count
        cdef Py_buffer view
        protocol = self.app.protocol
        PyObject_GetBuffer(protocol.get_buffer(engine.unread_bytes()), &view, PyBUF_WRITABLE)
        try:
            if view.len == 0:
                raise RuntimeError("get_buffer() returned an empty buffer")
            count = engine.read_into(<char*>view.buf, view.len)
        finally:
            PyBuffer_Release(&view)  # the protocol may resize its buffer now
        if count:
            protocol.buffer_updated(count)
        if engine.readable():
            self.loop.call_soon(self._read_again)
        return 0

    def _read_again(self):
        self.resume()

    cdef int hold_or_release(self) except -1:
        """Pause the transport below while too much ciphertext waits."""
        cdef Py_ssize_t size
        if not (self.paused or self.buffered or self.lower_held):
            if self.read_high_bytes > TLS_RECORD_BYTES_MAX:
                return 0  # everything has been read, except for a part of a record
        size = self.engine.unread_bytes()
        if size >= self.read_high_bytes and not self.lower_held:
            self.lower_held = True
            self.lower.pause_reading()
        elif size <= self.read_low_bytes and self.lower_held:
            self.lower_held = False
            self.lower.resume_reading()
        return 0

    cdef int resume(self) except -1:
        """Read again after resume_reading()."""
        raise NotImplementedError(LAYER_ONLY)

    # ---- writing

    cdef int write(self, bytes data) except -1:
        """Send plaintext; data is not empty."""
        if not self.may_write():
            return 0
        self.engine.write(data)
        return self.send_soon()

    cdef int write_several(self, list pieces) except -1:
        """Send several pieces of plaintext, none of them empty, in as few records as possible."""
        if not pieces or not self.may_write():
            return 0
        for data in pieces:
            self.engine.write(<bytes>data)
        return self.send_soon()

    cdef bint may_write(self) except -1:
        """Return whether the connection takes data; count writes to one that does not."""
        cdef TlsEngine engine = self.engine
        if engine.state == TLS_WRAPPED or engine.state == TLS_HANDSHAKE:
            return True
        if self.lost_count >= LOST_WRITES_LOGGED:
            logger.warning("SSL connection is closed")
        self.lost_count += 1
        return False

    cdef int send_soon(self) except -1:
        """Encrypt and pass down what was written, as far as the transport below takes it."""
        if self.engine.state == TLS_HANDSHAKE:
            return 0  # it is sent when the handshake is done
        if self.lower_paused:
            return self.flow()
        if self.loop.joining and self.engine.unencrypted_bytes() <= FLUSH_BYTES:
            if not self.flush_event.posted:
                event_post(&self.loop.flushes, &self.flush_event)
            return 0
        return self.flush_reported()

    cdef int send_joined(self) except -1:
        """Send what is joined until the turn ends, down to the kernel."""
        if self.flush_event.posted:
            self.flush_reported()
        if self.stream is not None:
            self.stream.flush()
        return 0

    cdef int flush_reported(self) except -1:
        """Do what flush() does; an error ends the connection."""
        try:
            self.flush()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.fatal_error(exc, "Fatal error on SSL protocol")
        return 0

    cdef int flush(self) except -1:
        """Encrypt what was written and pass it down, as far as the transport below takes it."""
        if self.flush_event.posted:
            event_unpost(&self.flush_event)
        if not self.engine.acquire(False):
            return self.flow()  # the thread that uses the engine flushes next
        self.flushed = True
        try:
            while not self.lower_paused:
                if self.encrypt_and_send() == 0:
                    break
                if self.engine.unencrypted_bytes() == 0 or self.lower_is_lost():
                    break
        finally:
            self.engine.release()
        return self.flow()

    cdef Py_ssize_t encrypt_and_send(self) except -1:
        """Encrypt a slice and pass it down; return its size in bytes.

        To a stream of ours up to TLS_SEND_BYTES, which leave in one call of the kernel.
        """
        cdef StreamTransport stream = self.stream
        cdef bytes data = self.engine.encrypt()
        cdef Py_ssize_t total = PyBytes_GET_SIZE(data)
        cdef bint waiting
        if stream is None or self.engine.unencrypted_bytes() == 0:
            self.send(data)
            return total
        waiting = stream.collect(data)
        while PyBytes_GET_SIZE(data) and self.engine.unencrypted_bytes() and total < TLS_SEND_BYTES:
            data = self.engine.encrypt()
            total += PyBytes_GET_SIZE(data)
            waiting |= stream.collect(data)
        if waiting:
            stream.writer.send_soon(stream)
        return total

    cdef bint lower_is_lost(self) except -1:
        """Return whether what is passed down is dropped: connection_lost() will be called."""
        return self.stream is not None and self.stream.lost_count > 0

    cdef int send(self, bytes data) except -1:
        """Pass ciphertext down."""
        if self.stream is not None:
            return self.stream.write_bytes(data)
        if self.lower is not None and data:
            self.lower.write(data)
        return 0

    cdef int flow(self) except -1:
        """Pause or resume the protocol by what waits."""
        cdef FlowControl app = self.app
        cdef Py_ssize_t size
        if app is None or not (self.lower_paused or app.protocol_paused):
            return 0
        size = self.engine.unsent_bytes()
        if size >= app.high_bytes and size:
            app.pause_protocol()
        else:
            app.resume_protocol()
        return 0

    def pause_writing(self):
        """The transport below has paused writing.

        Called by start_tls(), too, if the transport has paused the protocol before.
        """
        self.lower_paused = True
        if self.engine.state == TLS_NEW and self.app is not None:
            self.app.protocol_paused = True

    def resume_writing(self):
        """The transport below takes more again."""
        self.lower_paused = False
        self.flush_reported()

    # ---- what TlsLayer overrides

    cdef int peer_closed(self) except -1:
        """The peer's close_notify was read."""
        raise NotImplementedError(LAYER_ONLY)

    cdef int fatal_error(self, exc, str message) except -1:
        """Report an error and close at once."""
        raise NotImplementedError(LAYER_ONLY)


cdef int tls_flush(Event* ev) except -1:
    """Send what was written in this turn and joined."""
    cdef TlsFlow flow = <TlsFlow>ev.data
    return flow.flush_reported()
