"""Datagram endpoints: the hook of BaseEventLoop that makes their transports."""

import contextvars
import socket
from asyncio import futures
from typing import Any

from ngxloop.transports.datagram import connect_datagrams


class DatagramHooks:
    """What create_datagram_endpoint calls for its transport."""

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
        transport = connect_datagrams(self, sock, protocol, address, extra, context)
        if waiter is not None:
            self.call_soon(futures._set_result_unless_cancelled, waiter, None)  # type: ignore[attr-defined]
        return transport
