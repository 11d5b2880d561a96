"""create_connection, with a short way to a numeric address.

BaseEventLoop's own way goes through half a dozen coroutines and hooks, and costs more than the
connection. For the plain call, `create_connection(factory, "192.0.2.1", 443)`, the same happens in
the same order, compiled: see ngxloop.transports.connecting. Everything else is BaseEventLoop's:
host names, options, debug mode, and a loop or a socket module of which somebody has replaced what
that way would have called.
"""

import asyncio
import socket
from asyncio import futures
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from ngxloop.transports.connecting import connect_begin

# What BaseEventLoop's create_connection() calls on the loop, here or on a selector loop.
HOOKS = (
    "_add_writer",
    "_connect_sock",
    "_create_connection_transport",
    "_ensure_resolved",
    "_make_socket_transport",
    "getaddrinfo",
    "sock_connect",
)
_hooks_of = attrgetter(*HOOKS)
_hook_names = frozenset(HOOKS)
_own_hooks: tuple[Any, ...] = ()

_socket_of = attrgetter("socket", "socket.connect", "socket.__init__")
_own_socket = _socket_of(socket)


def remember_hooks(loop_class: type) -> None:
    """Say which class has the hooks that nobody has replaced."""
    global _own_hooks  # noqa: PLW0603 - the class is made after its base
    _own_hooks = _hooks_of(loop_class)


class ClientConnections:
    """The method that makes connections."""

    async def create_connection(
        self: Any,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        **options: Any,
    ) -> tuple[Any, Any]:
        """Connect to a TCP server; see asyncio's documentation for all that it takes.

        Returns:
            The transport and the protocol, after connection_made().

        Raises:
            OSError: "Connect call failed ADDRESS", of the subclass that belongs to the errno.
        """
        connecting = None
        if not (options or self.get_debug() or _is_replaced(self)):
            connecting = connect_begin(self, host, port)
        if connecting is None:
            return await asyncio.BaseEventLoop.create_connection(
                self, protocol_factory, host, port, **options
            )
        try:
            connecting.check(await connecting.waiter)
            protocol = protocol_factory()
            transport = connecting.make_transport(protocol)
        except BaseException:
            connecting.close()
            raise
        made = self.create_future()
        self.call_soon(futures._set_result_unless_cancelled, made, None)  # type: ignore[attr-defined]
        try:
            await made
        except BaseException:
            transport.close()
            raise
        return transport, protocol


def _is_replaced(loop: Any) -> bool:
    """Tell whether a program or a test wants to see the steps."""
    return (
        _hooks_of(type(loop)) != _own_hooks
        or not _hook_names.isdisjoint(vars(loop))
        or _socket_of(socket) != _own_socket
    )
