"""TLS: the hooks of BaseEventLoop that make TLS connections, and start_tls()."""

import asyncio
import contextvars
import ssl
from asyncio import constants, sslproto
from collections.abc import Callable
from typing import Any

from ngxloop.aio.loop_base import LoopBase
from ngxloop.transports.tls import TlsTransport, open_tls
from ngxloop.transports.tlslayer import TlsLayer
from ngxloop.transports.tlsmemory import TlsMemory


class TlsHooks(LoopBase):
    """What create_connection, create_server and start_tls call for TLS."""

    __slots__ = ()

    def _make_ssl_transport(
        self,
        rawsock: Any,
        protocol: asyncio.BaseProtocol,
        sslcontext: ssl.SSLContext | None,
        waiter: asyncio.Future[None] | None = None,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        context: contextvars.Context | None = None,
    ) -> TlsTransport:
        """Return the TLS transport of a connected socket; waiter is done after the handshake."""
        self._ensure_fd_no_transport(rawsock)
        transport = _new_tls_transport(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side=server_side,
            server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        self._make_socket_transport(
            rawsock, transport._ssl_protocol, extra=extra, server=server, context=context
        )
        return transport

    def set_handshake_refusal(
        self, refusal: Callable[[Any, ssl.SSLError, bytes], bytes | None]
    ) -> None:
        """Have a function called for every handshake with a client that fails in OpenSSL.

        Args:
            refusal: Takes the transport below TLS, the error and the first bytes that the client
                has sent; returns bytes to answer with instead of OpenSSL's alert, or None.
        """
        tls_memory(self).set_refusal(refusal)

    def abort_handshakes(self) -> None:
        """Close the connections of all clients that have not ended their TLS handshake."""
        if self._tls_memory is not None:
            self._tls_memory.abort_handshakes()

    async def start_tls(
        self,
        transport: Any,
        protocol: Any,
        sslcontext: ssl.SSLContext,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> TlsTransport | None:
        """Upgrade a connection to TLS; return the transport that its protocol uses from now on.

        connection_made() is not called again. Bytes that a server's StreamReader has read already
        are taken for the beginning of the handshake, as in Python 3.14.3.

        Returns:
            None, as asyncio does, if the transport was closed by this side before the handshake
            ended.

        Raises:
            TypeError: sslcontext is not an SSLContext, or the transport cannot be upgraded.
            ssl.SSLError, ConnectionAbortedError: the handshake failed, or took too long.
        """
        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
            )
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        if transport.is_closing():  # asyncio waits for the handshake time-out if it is lost already
            return None
        waiter = self.create_future()
        layer = _new_tls_transport(
            self,
            protocol,
            sslcontext,
            waiter,
            server_side=server_side,
            server_hostname=server_hostname,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
            call_connection_made=False,
        )._ssl_protocol
        transport.pause_reading()  # nothing may arrive before connection_made()
        if getattr(transport, "_protocol_paused", False):
            layer.pause_writing()  # so that resume_writing() will reach the protocol
        transport.set_protocol(layer)
        scheduled = [
            self.call_soon(layer.connection_made, transport),
            self.call_soon(transport.resume_reading),
        ]
        if server_side and (head := _taken_from_reader(protocol)):
            scheduled.insert(1, self.call_soon(layer.data_received, head))
        try:
            await waiter
        except BaseException:
            transport.close()
            for handle in scheduled:
                handle.cancel()
            raise
        finally:
            del waiter  # its exception refers to this frame: a cycle would keep both transports
        return layer._app_transport


def tls_memory(loop: LoopBase) -> TlsMemory:
    """Return what all TLS connections of a loop share."""
    if loop._tls_memory is None:
        loop._tls_memory = TlsMemory()
    return loop._tls_memory


def tls_protocol_factory(
    loop: LoopBase,
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    sslcontext: ssl.SSLContext,
    ssl_handshake_timeout: float | None,
    ssl_shutdown_timeout: float | None,
) -> Callable[[], TlsLayer]:
    """Return a function that makes the protocol of an accepted socket: a TLS layer."""

    def factory() -> TlsLayer:
        protocol = protocol_factory()
        waiter = loop.create_future() if loop.get_debug() else None
        transport = _new_tls_transport(
            loop,
            protocol,
            sslcontext,
            waiter,
            server_side=True,
            ssl_handshake_timeout=ssl_handshake_timeout,
            ssl_shutdown_timeout=ssl_shutdown_timeout,
        )
        if waiter is not None:
            waiter.add_done_callback(_report_failed_handshake(protocol, transport))
        return transport._ssl_protocol

    return factory


def _new_tls_transport(
    loop: LoopBase,
    protocol: asyncio.BaseProtocol,
    sslcontext: ssl.SSLContext | None,
    waiter: asyncio.Future[None] | None,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    ssl_handshake_timeout: float | None = None,
    ssl_shutdown_timeout: float | None = None,
    call_connection_made: bool = True,
) -> TlsTransport:
    """Return a TLS transport that has nothing below it yet."""
    handshake_timeout = _positive(
        "ssl_handshake_timeout", ssl_handshake_timeout, constants.SSL_HANDSHAKE_TIMEOUT
    )
    shutdown_timeout = _positive(
        "ssl_shutdown_timeout", ssl_shutdown_timeout, constants.SSL_SHUTDOWN_TIMEOUT
    )
    if not sslcontext:  # ssl=True
        sslcontext = sslproto._create_transport_context(server_side, server_hostname)
    return open_tls(
        loop,
        tls_memory(loop),
        protocol,
        sslcontext,
        waiter,
        server_side=server_side,
        server_hostname=None if server_side else server_hostname or None,
        handshake_timeout=handshake_timeout,
        shutdown_timeout=shutdown_timeout,
        call_connection_made=call_connection_made,
    )


def _positive(name: str, seconds: float | None, default: float) -> float:
    """Return seconds, or the default for None."""
    if seconds is None:
        return default
    if seconds <= 0:
        raise ValueError(f"{name} should be a positive number, got {seconds}")
    return seconds


def _taken_from_reader(protocol: Any) -> bytes:
    """Take what a StreamReader has read of the handshake before start_tls()."""
    if not isinstance(protocol, asyncio.StreamReaderProtocol):
        return b""
    reader = protocol._stream_reader  # type: ignore[attr-defined]
    if reader is None:
        return b""
    taken = bytes(reader._buffer)
    reader._buffer.clear()
    return taken


def _report_failed_handshake(
    protocol: asyncio.BaseProtocol, transport: TlsTransport
) -> Callable[[asyncio.Future[None]], None]:
    """Return a callback that reports, in debug mode, a handshake that failed."""

    def report(waiter: asyncio.Future[None]) -> None:
        exc = waiter.exception()
        if exc is not None:
            waiter.get_loop().call_exception_handler(
                {
                    "message": "Error on transport creation for incoming connection",
                    "exception": exc,
                    "protocol": protocol,
                    "transport": transport,
                }
            )

    return report
