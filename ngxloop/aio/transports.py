"""Stream transports and servers: the hooks of BaseEventLoop that make and stop them."""

import contextvars
import socket
from asyncio import futures
from collections.abc import Callable
from typing import Any

from ngxloop.transports.listener import Listener
from ngxloop.transports.stream import connect_stream


class StreamHooks:
    """What create_connection, create_server, start_tls and Server call for their transports."""

    _listeners: dict[socket.socket, Listener]

    def _make_socket_transport(
        self: Any,
        sock: socket.socket,
        protocol: Any,
        waiter: Any = None,
        *,
        extra: dict[str, Any] | None = None,
        server: Any = None,
        context: contextvars.Context | None = None,
    ) -> Any:
        """Return the transport of a connected socket; waiter is done after connection_made()."""
        self._ensure_fd_no_transport(sock)
        transport = connect_stream(self, sock, protocol, extra, server, context)
        if waiter is not None:
            self.call_soon(futures._set_result_unless_cancelled, waiter, None)  # type: ignore[attr-defined]
        return transport

    def _start_serving(
        self: Any,
        protocol_factory: Callable[[], Any],
        sock: socket.socket,
        sslcontext: Any = None,
        server: Any = None,
        backlog: int = 100,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
        context: contextvars.Context | None = None,
    ) -> None:
        """Accept connections from a listening socket."""
        factory = protocol_factory
        if sslcontext is not None:
            factory = self._tls_protocol_factory(
                protocol_factory, sslcontext, ssl_handshake_timeout, ssl_shutdown_timeout
            )
        self._listeners[sock] = Listener(self, sock, factory, server, context)

    def _stop_serving(self: Any, sock: socket.socket) -> None:
        """Stop accepting from a listening socket and close it."""
        listener = self._listeners.pop(sock, None)
        if listener is not None:
            listener.close()
        inode = self._unix_server_sockets.pop(sock, None)
        path = sock.getsockname() if inode is not None else None
        sock.close()
        if inode is not None:
            self._remove_socket_file(path, inode)
