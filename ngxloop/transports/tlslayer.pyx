# cython: nonecheck=True
"""TlsLayer: the life of a TLS connection, from the handshake to the end.

It is the protocol of the transport below, and drives the engine. asyncio.sslproto.SSLProtocol
defines what happens when; the states are those of TRANSITIONS in tlsengine.pyx.

    connection_made    the handshake begins, with a time-out
    receive            handshake: continue it; wrapped: read; flushing: read, then shut down;
                       shutdown: read the peer's close_notify
    close              wrapped -> flushing -> shutdown, with a time-out until connection_lost; in a
                       handshake: abort
    eof_received       what is there is read, then the transport below closes, with the same
                       time-out; a protocol that has paused reading gets it when it resumes
    connection_lost    that of the protocol is called in the next turn

Rules. The layer and its TlsTransport refer to each other until the connection is lost; after that
no cycle keeps them.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t

import asyncio
import logging
import ssl

from ngxloop.core.ready cimport event_unpost
from ngxloop.transports.stream cimport StreamTransport
from ngxloop.transports.tlsengine cimport (
    TLS_CLOSED,
    TLS_FLUSHING,
    TLS_HANDSHAKE,
    TLS_NEW,
    TLS_SHUTDOWN,
    TLS_WRAPPED,
    TlsState,
)
from ngxloop.transports.tlshandshake cimport APP_ENDED, APP_LOST, APP_MADE, TlsHandshake

logger = logging.getLogger("asyncio")

cdef type STREAM = StreamTransport


@cython.final
cdef class TlsLayer(TlsHandshake):
    """The protocol of the transport below a TlsTransport; see the file header."""

    def __init__(self):
        raise TypeError("TLS layers are made by create_connection(), start_tls() and the like")

    @property
    def __class__(self):
        return asyncio.Protocol

    def __repr__(self):
        return f"<ngxloop.TlsLayer {self.engine.state_name} over {self.lower!r}>"

    # ---- attributes that other packages and test suites read

    @property
    def _loop(self):
        return self.loop

    @property
    def _transport(self):
        """The transport below; None before the connection is made."""
        return self.lower

    @property
    def _app_transport(self):
        return self.app

    @property
    def _app_protocol(self):
        return None if self.app is None else self.app.protocol

    @property
    def _ssl_handshake_timeout(self):
        return self.handshake_timeout

    @property
    def _ssl_shutdown_timeout(self):
        return self.shutdown_timeout

    @property
    def _sslobj(self):
        return self.engine.ssl_object

    # ---- what the transport below calls

    def connection_made(self, transport):
        """Begin the handshake."""
        if self.app is None:
            return
        self.lower = transport
        if type(transport) is STREAM:
            self.stream = transport
            self.app.context = self.stream.context
        if self.engine.state != TLS_NEW:  # aborted before
            self.force_lower(None)
            return
        self.start_handshake()

    def data_received(self, data):
        """Take ciphertext from a transport that is not a StreamTransport."""
        cdef bytes content = bytes(data)  # the same object if it is one already
        if self.app is None or not content:
            return
        context = self.app.context
        entered = self.enter()
        try:
            self.receive(PyBytes_AS_STRING(content), PyBytes_GET_SIZE(content))
        finally:
            if entered:
                self.leave(context)

    def eof_received(self):
        """The stream below has ended: end the connection, now or when the protocol reads again."""
        if self.app is None:
            return False
        self.ended = True
        if self.loop.debugging:
            logger.debug("%r received EOF", self)
        try:
            self.end_of_stream()
        except Exception:
            self.lower.close()
            raise
        return self.engine.state == TLS_FLUSHING  # keep it open

    def connection_lost(self, exc):
        """The transport below is gone: call connection_lost() of the protocol, drop everything."""
        app = self.app
        if app is None:
            return
        if self.engine.state != TLS_HANDSHAKE:
            if self.app_state == APP_MADE or self.app_state == APP_ENDED:
                self.app_state = APP_LOST
                # a copy: a callback inside the context may turn the loop
                self.loop.call_soon(app.protocol.connection_lost, exc, context=app.context.copy())
        self.engine.drop_output()
        if self.flush_event.posted:
            event_unpost(&self.flush_event)
        self.lost_count += 1
        self.closed = True
        self.engine.move(TLS_CLOSED)
        self.engine.memory.handshakes.discard(self)
        self.stop_timer()
        self.app.protocol = None
        self.app = None
        self.stream = None
        self.wake(exc)

    cdef int step(self, const char* data, Py_ssize_t size) except -1:
        if self.engine.state == TLS_CLOSED:
            return 0
        if self.engine.state == TLS_FLUSHING:
            self.read(data, size)
            return self.finish()
        if self.engine.state == TLS_HANDSHAKE:
            self.note_first(data, size)
        self.engine.feed(data, size)
        if not self.engine.readable():
            return 0
        if self.engine.state == TLS_HANDSHAKE:
            return self.go_on_with_handshake()
        return self.go_on_with_shutdown()

    # ---- the end

    cdef int end_of_stream(self) except -1:
        """Do what the end of the stream below means in this state."""
        cdef TlsState state = self.engine.state
        if state == TLS_HANDSHAKE:
            self.handshake_failed(ConnectionResetError())
        elif state == TLS_WRAPPED:
            self.engine.move(TLS_FLUSHING)
            if self.paused:
                self.peer_left()
            else:
                self.read(NULL, 0)
                self.finish()
        elif state == TLS_FLUSHING or state == TLS_SHUTDOWN:
            self.finish()
        return 0

    cdef int peer_closed(self) except -1:
        self.tell_end()
        return self.close()

    cdef int tell_end(self) except -1:
        """Call eof_received() once; TLS connections cannot stay half-open."""
        if self.app_state != APP_MADE or self.app is None:
            return 0
        self.app_state = APP_ENDED
        try:
            if self.app.protocol.eof_received():
                logger.warning("returning true from eof_received() has no effect when using ssl")
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.fatal_error(exc, "Error calling eof_received()")
        return 0

    cdef int resume(self) except -1:
        context = None if self.app is None else self.app.context
        if context is None:
            return 0
        entered = self.enter()
        try:
            if self.engine.state == TLS_WRAPPED:
                self.read(NULL, 0)
            elif self.engine.state == TLS_FLUSHING:
                self.read(NULL, 0)
                self.finish()
            elif self.engine.state == TLS_SHUTDOWN:
                self.go_on_with_shutdown()
        finally:
            if entered:
                self.leave(context)
        return 0

    cdef int close(self) except -1:
        """Send what was written, then our close_notify, then wait for the peer's."""
        cdef TlsState state = self.engine.state
        if state == TLS_HANDSHAKE or state == TLS_NEW:
            return self.abort(None)
        if state == TLS_WRAPPED:
            self.closed = True
            self.engine.move(TLS_FLUSHING)
            self.start_timer(self.shutdown_timeout, self._check_shutdown_timeout)
            self.read(NULL, 0)
        elif state != TLS_FLUSHING:
            return 0
        return self.finish()

    cdef int close_by_protocol(self) except -1:
        """Do what close() does, inside the connection's context."""
        if self.app is None:
            return 0
        self.closed = True
        context = self.app.context
        entered = self.enter()
        try:
            return self.close()
        finally:
            if entered:
                self.leave(context)

    def _check_shutdown_timeout(self):
        self.timer = None
        if self.engine.state == TLS_FLUSHING or self.engine.state == TLS_SHUTDOWN:
            self.force_lower(TimeoutError("SSL shutdown timed out"))

    cdef int finish(self) except -1:
        """Encrypt all that was written, then begin the shutdown, or continue it."""
        if self.engine.state == TLS_FLUSHING:
            acquired = self.engine.acquire(True)
            try:
                while self.engine.encrypt_slice():
                    pass
            except ssl.SSLError as exc:
                return self.fatal_error(exc, "Fatal error on SSL protocol")
            finally:
                if acquired:
                    self.engine.release()
            if self.engine.unencrypted_bytes() and not self.ended:
                return self.flush()  # a renegotiation must end first
            self.engine.move(TLS_SHUTDOWN)
        if self.engine.state == TLS_SHUTDOWN:
            return self.go_on_with_shutdown()
        return 0

    cdef int go_on_with_shutdown(self) except -1:
        """Send our close_notify and read the peer's; after the stream's end there is none."""
        cdef bint done = self.ended
        try:
            if not done:
                done = self.engine.unwrap()
        except ssl.SSLError as exc:
            self.stop_timer()
            return self.fatal_error(exc, "Fatal error on transport")
        self.flush()
        if not done:
            return self.send_joined()
        self.tell_end()
        # the stream below closes after its output, which a peer that does not read delays for ever
        if self.timer is None and self.app is not None:
            self.start_timer(self.shutdown_timeout, self._check_shutdown_timeout)
        if self.stream is not None:
            self.stream.close()
        else:
            self.loop.call_soon(self.lower.close)
        return 0

    cdef int linger(
        self, double quiet_seconds, double total_seconds, int64_t bytes_max
    ) except -1:
        """Do what close() does without waiting for a close_notify; then linger below.

        The peer may be sending, and OpenSSL takes data where the peer's close_notify should be for
        an error. So nothing more is decrypted.
        """
        if self.engine.state != TLS_WRAPPED or self.stream is None:
            return self.close_by_protocol()
        self.closed = True
        acquired = self.engine.acquire(True)
        try:
            while self.engine.encrypt_slice():
                pass
            self.engine.move(TLS_FLUSHING)
            self.engine.move(TLS_SHUTDOWN)
            self.engine.unwrap()
        except ssl.SSLError:  # our close_notify is out before the peer's is read
            pass
        finally:
            if acquired:
                self.engine.release()
        self.flush()
        return self.stream.linger(quiet_seconds, total_seconds, bytes_max)

    cdef int abort(self, exc) except -1:
        """Close at once: what the transport below has not taken is lost."""
        self.closed = True
        if exc is None and self.app is not None:
            self.send_joined()
        if self.engine.state != TLS_CLOSED:
            self.engine.move(TLS_CLOSED)
        return self.force_lower(exc)

    cdef int force_lower(self, exc) except -1:
        if self.stream is not None:
            self.stream._force_close(exc)
        elif self.app is None or self.lower is None:
            return 0
        elif hasattr(self.lower, "_force_close"):
            self.lower._force_close(exc)
        else:
            self.lower.abort()
        return 0

    cdef int fatal_error(self, exc, str message) except -1:
        lower = self.lower
        if self.engine.state != TLS_HANDSHAKE:
            self.engine.move(TLS_CLOSED)
        self.force_lower(exc)
        if isinstance(exc, OSError):
            if self.loop.debugging:
                logger.debug("%r: %s", self, message, exc_info=exc)
        elif not isinstance(exc, asyncio.CancelledError):
            self.loop.call_exception_handler({
                "message": message,
                "exception": exc,
                "transport": lower,
                "protocol": self,
            })
        return 0
