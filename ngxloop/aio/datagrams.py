"""Datagram endpoints: create_datagram_endpoint, and the hook that makes their transports.

BaseEventLoop's own method resolves, binds and connects. It calls the protocol factory, and
leaves the socket open if that raises; so the hook calls the factory, and closes the socket.
"""

import asyncio
import contextvars
import socket
from asyncio import futures
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from ngxloop.aio.connections import check_arguments, look_like
from ngxloop.transports.datagram import connect_datagrams

_Protocol = TypeVar("_Protocol", bound=asyncio.BaseProtocol)


class DatagramHooks:
    """Endpoints of UDP and of Unix datagram sockets."""

    def create_datagram_endpoint(
        self: Any, protocol_factory: Callable[[], _Protocol], *args: Any, **options: Any
    ) -> Coroutine[Any, Any, tuple[asyncio.DatagramTransport, _Protocol]]:
        """Create a datagram endpoint; see asyncio's documentation for all that it takes.

        Returns:
            The transport and the protocol, after connection_made().
        """
        create = asyncio.BaseEventLoop.create_datagram_endpoint
        check_arguments(create, self, protocol_factory, *args, **options)
        return _create_endpoint(self, protocol_factory, args, options)

    def _make_datagram_transport(
        self: Any,
        sock: socket.socket,
        protocol: Any,
        address: Any = None,
        waiter: Any = None,
        extra: dict[str, Any] | None = None,
        *,
        context: contextvars.Context | None = None,
    ) -> Any:
        """Return the transport of a socket; waiter is done after connection_made()."""
        self._ensure_fd_no_transport(sock)
        if isinstance(protocol, _DeferredProtocol):
            protocol = protocol.make(sock)
        transport = connect_datagrams(self, sock, protocol, address, extra, context)
        if waiter is not None:
            self.call_soon(futures._set_result_unless_cancelled, waiter, None)  # type: ignore[attr-defined]
        return transport


look_like(DatagramHooks.create_datagram_endpoint, asyncio.BaseEventLoop.create_datagram_endpoint)


async def _create_endpoint(
    loop: Any, protocol_factory: Callable[[], Any], args: tuple[Any, ...], options: dict[str, Any]
) -> tuple[Any, Any]:
    deferred: Any = _DeferredProtocol(protocol_factory)
    transport, _ = await asyncio.BaseEventLoop.create_datagram_endpoint(
        loop, lambda: deferred, *args, **options
    )
    return transport, deferred.protocol


class _DeferredProtocol:
    """Stands for a protocol until there is a socket for it."""

    protocol: Any = None

    def __init__(self, factory: Callable[[], Any]) -> None:
        self._factory = factory

    def __repr__(self) -> str:  # in the log of debug mode
        return repr(self.protocol)

    def make(self, sock: socket.socket) -> Any:
        """Call the factory; close the socket if it raises."""
        try:
            self.protocol = self._factory()
        except BaseException:
            sock.close()
            raise
        return self.protocol
