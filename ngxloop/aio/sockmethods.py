"""sock_connect and sock_accept, around the operations of ngxloop.core.sockops."""

import socket
import ssl
from typing import Any

BLOCKED = (BlockingIOError, InterruptedError)


class SocketMethods:
    """The sock_* methods that are more than one call of the socket's."""

    async def sock_connect(self: Any, sock: socket.socket, address: Any) -> None:
        """Connect to address; the host of an AF_INET or AF_INET6 one is resolved first.

        Raises:
            OSError: "Connect call failed ADDRESS", of the subclass that belongs to the errno.
        """
        self._check_sock(sock)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            resolved = await self._ensure_resolved(
                address, family=sock.family, type=sock.type, proto=sock.proto, loop=self
            )
            address = resolved[0][4]
        try:
            sock.connect(address)
        except BLOCKED:
            # after EINTR it goes on in the background as well: connect(2)
            error = await self._sock_connect_result(sock)
            if error:
                raise OSError(error, f"Connect call failed {address}") from None

    async def sock_accept(self: Any, sock: socket.socket) -> tuple[socket.socket, Any]:
        """Accept a connection; return a non-blocking socket and the peer's address."""
        self._check_sock(sock)
        connection, address = await self._sock_accept(sock)
        connection.setblocking(False)
        return connection, address

    def _check_sock(self: Any, sock: socket.socket) -> None:
        if isinstance(sock, ssl.SSLSocket):
            raise TypeError("Socket cannot be of type SSLSocket")
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
