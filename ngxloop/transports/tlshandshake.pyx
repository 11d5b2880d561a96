# cython: nonecheck=True
"""TlsHandshake: the beginning of a TLS connection, with its time-out and its future.

When a handshake fails, OpenSSL's alert is sent if the kernel takes it at once; asyncio drops it,
and the peer sees a reset. TlsLayer, the subclass, is the rest of a connection's life.
"""

from cpython.bytes cimport PyBytes_GET_SIZE

import logging
import ssl

from ngxloop.core.completion cimport complete, complete_failed
from ngxloop.transports.tlsengine cimport TLS_CLOSED, TLS_HANDSHAKE, TLS_WRAPPED
from ngxloop.transports.tlsflow cimport TlsFlow

logger = logging.getLogger("asyncio")

cdef enum:
    # Of what a client sends: a request line shows what it is.
    FIRST_BYTES = 16
    # A client that gets an answer in plain text may go on sending so much, and so long.
    REFUSED_BYTES = 65536

cdef double QUIET_SECONDS = 1.0
cdef double TOTAL_SECONDS = 5.0


cdef class TlsHandshake(TlsFlow):
    """The handshake of one TLS connection; see the file header."""

    cdef int start_handshake(self) except -1:
        if self.loop.debugging:
            logger.debug("%r starts SSL handshake", self)
            self.handshake_start = self.loop.time()
        self.engine.move(TLS_HANDSHAKE)
        if self._server_side:
            self.engine.memory.handshakes.add(self)
        self.start_timer(self.handshake_timeout, self._check_handshake_timeout)
        return self.go_on_with_handshake()

    def _check_handshake_timeout(self):
        self.timer = None
        if self.engine.state == TLS_HANDSHAKE:
            self.fatal_error(
                ConnectionAbortedError(
                    f"SSL handshake is taking longer than {self.handshake_timeout} seconds: "
                    f"aborting the connection"
                ),
                "Fatal error on transport",
            )

    cdef int go_on_with_handshake(self) except -1:
        cdef bint done
        try:
            done = self.engine.handshake()
        except ssl.SSLError as exc:
            return self.handshake_failed(exc)
        if done:
            return self.handshake_done()
        return self.flush()

    cdef int note_first(self, const char* data, Py_ssize_t size) except -1:
        """Keep the beginning of what a client sends, if somebody asks for it when it fails."""
        if self._server_side and self.engine.memory.refusal is not None:
            if PyBytes_GET_SIZE(self.first) < FIRST_BYTES:
                self.first += data[:min(size, FIRST_BYTES)]
        return 0

    cdef int handshake_done(self) except -1:
        """Call connection_made(), and read: both ends may have sent data already."""
        self.stop_timer()
        self.engine.memory.handshakes.discard(self)
        self.engine.move(TLS_WRAPPED)
        self.handshaken = True
        self.first = b""
        if self.handshake_start is not None:
            seconds = self.loop.time() - self.handshake_start
            logger.debug("%r: SSL handshake took %.1f ms", self, seconds * 1e3)
        if self.app_state == APP_NEW:
            self.app_state = APP_MADE
            self.app.protocol.connection_made(self.app)
        self.wake(None)
        if self.engine.state == TLS_WRAPPED:
            self.read(NULL, 0)
        return 0

    cdef int handshake_failed(self, exc) except -1:
        """Send OpenSSL's alert and give up."""
        message = "SSL handshake failed"
        if isinstance(exc, ssl.CertificateError):
            message = "SSL handshake failed on verifying the certificate"
        self.stop_timer()
        self.engine.memory.handshakes.discard(self)
        alert = self.engine.take_output()
        answer = None
        if self._server_side and self.engine.memory.refusal is not None:
            if isinstance(exc, ssl.SSLError):
                answer = self.engine.memory.refusal(self.lower, exc, self.first)
        if answer is not None:
            alert = answer
        if alert:
            self.send(alert)
            if self.stream is not None:
                self.stream.flush()
        self.engine.move(TLS_CLOSED)
        if answer is None or self.stream is None:
            self.fatal_error(exc, message)
        else:  # the client may still be sending: a reset would destroy the answer
            self.stream.linger(QUIET_SECONDS, TOTAL_SECONDS, REFUSED_BYTES)
        return self.wake(exc)

    # ---- timers and the waiter

    cdef int start_timer(self, seconds, callback) except -1:
        self.timer = self.loop.call_later(seconds, callback, context=self.app.context)
        return 0

    cdef int stop_timer(self) except -1:
        timer, self.timer = self.timer, None
        if timer is not None:
            timer.cancel()
        return 0

    cdef int wake(self, exc) except -1:
        """Complete the future that waits for the handshake, once."""
        waiter, self.waiter = self.waiter, None
        return complete(waiter, None) if exc is None else complete_failed(waiter, exc)
