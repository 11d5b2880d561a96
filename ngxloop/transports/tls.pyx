# cython: nonecheck=True
"""TlsTransport: what a protocol sees of a TLS connection.

The surface of asyncio's own TLS transport, and nothing else: what happens is in TlsLayer (its life)
and TlsFlow (its data). The transport holds the protocol, its context and its write limits.
"""

cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_CopyCurrent

import asyncio
import operator
import warnings
from asyncio import constants, transports

from ngxloop.core.limits cimport TLS_READ_HIGH_BYTES, TLS_WRITE_HIGH_BYTES
from ngxloop.core.reactor cimport Reactor
from ngxloop.transports.flow cimport FlowControl, buffer_limits
from ngxloop.transports.tlsengine cimport TlsEngine
from ngxloop.transports.tlshandshake cimport APP_MADE, APP_NEW
from ngxloop.transports.tlslayer cimport TlsLayer
from ngxloop.transports.tlsmemory cimport TlsMemory


# What get_extra_info() returns about TLS, and how it is read from an SSLObject.
cdef dict TLS_ANSWERS = {
    "ssl_object": lambda ssl_object: ssl_object,
    "peercert": operator.methodcaller("getpeercert"),
    "cipher": operator.methodcaller("cipher"),
    "compression": operator.methodcaller("compression"),
}


class _SSLTransport(transports._FlowControlMixin, asyncio.Transport):
    """What a TlsTransport appears to be: isinstance() checks __class__."""


@cython.final
cdef class TlsTransport(FlowControl):
    """A TLS connection; see the file header."""

    _sendfile_compatible = constants._SendfileMode.FALLBACK
    _start_tls_compatible = True

    def __cinit__(self, *args, **kwargs):
        self.high_bytes = TLS_WRITE_HIGH_BYTES
        self.low_bytes = TLS_WRITE_HIGH_BYTES // 4

    def __init__(self):
        raise TypeError("transports are made by create_connection(), create_server() and the like")

    def __del__(self):
        if self.layer is None or self.layer.closed:
            return
        self.layer.closed = True
        warnings.warn(f"unclosed transport {self!r}", ResourceWarning, source=self)

    @property
    def __class__(self):
        return _SSLTransport

    def __repr__(self):
        return (
            f"<ngxloop.TlsTransport {self.layer.engine.state_name} over {self.layer.lower!r}>"
        )

    def get_extra_info(self, name, default=None):
        """Return what is known of the connection.

        'sslcontext' at once; 'ssl_object' (an ssl.SSLObject), 'peercert', 'cipher' and
        'compression' after the handshake; everything else from the transport below.
        """
        cdef TlsLayer layer = self.layer
        if name == "sslcontext":
            return layer._sslcontext
        if layer.handshaken and name in TLS_ANSWERS:
            return TLS_ANSWERS[name](layer.engine.ssl_object)
        if layer.lower is None:
            return default
        layer.send_joined()  # the caller may shut the socket down
        return layer.lower.get_extra_info(name, default)

    def set_protocol(self, protocol):
        """Give the connection to another protocol, at any time; Protocol or BufferedProtocol."""
        self.layer.use_protocol(protocol)

    def get_protocol(self):
        """Return the protocol; None once the connection is lost."""
        return self.protocol

    def is_closing(self):
        """Return True once close() or abort() was called, or the transport below is closing."""
        if self.layer.closed:
            return True
        return self.layer.lower is not None and self.layer.lower.is_closing()

    # ---- reading

    def is_reading(self):
        """Return True if data is delivered as it comes."""
        return not self.layer.paused

    def pause_reading(self):
        """Deliver nothing until resume_reading(); harmless when paused."""
        self.layer.paused = True

    def resume_reading(self):
        """Deliver data again, from the next turn on; harmless when not paused."""
        if self.layer.paused:
            self.layer.paused = False
            self.loop.call_soon(self.layer._read_again)

    def get_read_buffer_limits(self):
        """Return (low, high), in bytes of ciphertext."""
        return (self.layer.read_low_bytes, self.layer.read_high_bytes)

    def set_read_buffer_limits(self, high=None, low=None):
        """Set the marks between which reading below is paused while the protocol pauses reading.

        Args:
            high: in bytes; by default 4 * low, or 256 KiB without low.
            low: in bytes; by default high // 4.

        Raises:
            ValueError: not high >= low >= 0.
        """
        high, low = buffer_limits(high, low, TLS_READ_HIGH_BYTES)
        self.layer.read_high_bytes = high
        self.layer.read_low_bytes = low
        if self.layer.app is not None and self.layer.lower is not None:
            self.layer.hold_or_release()

    def get_read_buffer_size(self):
        """Return how many bytes of ciphertext wait because reading is paused."""
        return self.layer.engine.unread_bytes()

    # ---- writing

    def write(self, data):
        """Send data; never blocks.

        Args:
            data: bytes, which are kept until sent; or a bytearray or memoryview, which are copied.

        Raises:
            TypeError: data is none of these.
        """
        cdef bytes content = data if type(data) is bytes else copied(data)
        if PyBytes_GET_SIZE(content):
            self.layer.write(content)

    def writelines(self, list_of_data):
        """Send several pieces, in as few records as possible; see write."""
        pieces = [data if type(data) is bytes else copied(data) for data in list_of_data]
        self.layer.write_several([data for data in pieces if data])

    def write_eof(self):
        """Raise NotImplementedError: the halves of a TLS connection cannot be closed alone."""
        raise NotImplementedError

    def can_write_eof(self):
        """Return False."""
        return False

    def get_write_buffer_size(self):
        """Return how many bytes wait because the transport below takes no more."""
        self.layer.flush_reported()
        return self.buffered_bytes()

    def set_write_buffer_limits(self, high=None, low=None):
        """Set the marks between which the protocol is paused, in bytes.

        Args:
            high: from here pause_writing() is called; by default 4 * low, or 512 KiB without low.
            low: at or below this resume_writing() is called; by default high // 4.

        Raises:
            ValueError: not high >= low >= 0.
        """
        self.high_bytes, self.low_bytes = buffer_limits(high, low, TLS_WRITE_HIGH_BYTES)
        self.limits_changed()

    cdef Py_ssize_t buffered_bytes(self) noexcept:
        return 0 if self.layer is None else self.layer.engine.unsent_bytes()

    cdef int limits_changed(self) except -1:
        return self.layer.flush_reported()

    # ---- the end

    def close(self):
        """Send what was written, shut TLS down, then close; connection_lost(None) follows."""
        if not self.layer.closed:
            self.layer.close_by_protocol()

    def abort(self):
        """Close at once; connection_lost(None) comes in a later turn.

        What the transport below has not taken is lost.
        """
        self.layer.abort(None)

    def _force_close(self, exc):
        """Close at once because of exc; connection_lost(exc) follows."""
        self.layer.abort(exc)

    # ---- attributes that other packages and test suites read

    @property
    def _ssl_protocol(self):
        return self.layer

    @property
    def _closed(self):
        return self.layer.closed

    def _test__append_write_backlog(self, data):
        """Keep data without sending it; the interpreter's own tests fill the backlog with this."""
        self.layer.engine.write(data)


def open_tls(
    Reactor loop not None,
    TlsMemory memory not None,
    protocol,
    sslcontext,
    waiter,
    *,
    bint server_side,
    server_hostname,
    handshake_timeout,
    shutdown_timeout,
    bint call_connection_made=True,
):
    """Return a TLS transport; its _ssl_protocol is to be the protocol of the transport below.

    Args:
        memory: what all TLS connections of this loop share.
        waiter: a future that is done after the handshake, or None.
        handshake_timeout: in seconds, > 0; likewise shutdown_timeout.
        call_connection_made: False if the protocol is connected already: start_tls().
    """
    cdef TlsLayer layer = TlsLayer.__new__(TlsLayer)
    cdef TlsTransport transport = TlsTransport.__new__(TlsTransport)
    layer.closed = True  # until the engine is made
    layer.engine = TlsEngine(memory, sslcontext, server_side, server_hostname)
    layer.closed = False
    layer.loop = transport.loop = loop
    layer.app = transport
    layer.waiter = waiter
    layer.handshake_timeout = handshake_timeout
    layer.shutdown_timeout = shutdown_timeout
    layer._sslcontext = sslcontext
    layer._server_side = server_side
    layer.first = b""
    layer.app_state = APP_NEW if call_connection_made else APP_MADE
    transport.layer = layer
    transport.context = PyContext_CopyCurrent()
    layer.use_protocol(protocol)
    return transport


cdef bytes copied(data):
    """Return the content of a mutable buffer; raise asyncio's error for other objects."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(f"data: expecting a bytes-like instance, got {type(data).__name__}")
    return bytes(data)
