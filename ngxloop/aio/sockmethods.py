"""sock_recv, sock_sendall and their kin: coroutines over the user's non-blocking sockets.

Rules. The call is tried first and only waits if it would block, so it often returns without
yielding. A cancelled wait leaves nothing behind: the fd is no longer watched and no data is taken
from it.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Any

BLOCKED = (BlockingIOError, InterruptedError)


class SocketMethods:
    """The sock_* methods of the event loop."""

    async def sock_recv(self: Any, sock: socket.socket, nbytes: int) -> bytes:
        """Receive up to nbytes; b'' is the peer's end."""
        self._check_sock(sock)
        return await self._when_readable(sock, "recv", nbytes)

    async def sock_recv_into(self: Any, sock: socket.socket, buf: Any) -> int:
        """Receive into a writable buffer; return how many bytes came."""
        self._check_sock(sock)
        return await self._when_readable(sock, "recv_into", buf)

    async def sock_recvfrom(self: Any, sock: socket.socket, bufsize: int) -> tuple[bytes, Any]:
        """Receive a datagram; return it and its sender's address."""
        self._check_sock(sock)
        return await self._when_readable(sock, "recvfrom", bufsize)

    async def sock_recvfrom_into(
        self: Any, sock: socket.socket, buf: Any, nbytes: int = 0
    ) -> tuple[int, Any]:
        """Receive a datagram into a writable buffer; return its size and its sender's address."""
        self._check_sock(sock)
        return await self._when_readable(sock, "recvfrom_into", buf, nbytes or len(buf))

    async def sock_sendall(self: Any, sock: socket.socket, data: Any) -> None:
        """Send all of data, a bytes-like object that must not change until this returns."""
        self._check_sock(sock)
        try:
            sent = sock.send(data)
        except BLOCKED:
            sent = 0
        if sent == len(data):
            return
        view = memoryview(data).cast("B")
        while sent < len(view):
            sent += await self._when_writable(sock, "send", view[sent:])

    async def sock_sendto(self: Any, sock: socket.socket, data: Any, address: Any) -> int:
        """Send a datagram to address; return how many bytes went."""
        self._check_sock(sock)
        return await self._when_writable(sock, "sendto", data, address)

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
            error = await self._wait(
                sock,
                self._add_writer,
                self._remove_writer,
                "getsockopt",
                (socket.SOL_SOCKET, socket.SO_ERROR),
            )
            if error:
                raise OSError(error, f"Connect call failed {address}") from None

    async def sock_accept(self: Any, sock: socket.socket) -> tuple[socket.socket, Any]:
        """Accept a connection; return a non-blocking socket and the peer's address."""
        self._check_sock(sock)
        connection, address = await self._when_readable(sock, "accept")
        connection.setblocking(False)
        return connection, address

    async def _when_readable(self: Any, sock: socket.socket, method: str, *args: Any) -> Any:
        """Return sock.method(*args), now or as soon as the socket is readable."""
        try:
            return getattr(sock, method)(*args)
        except BLOCKED:
            return await self._wait(sock, self._add_reader, self._remove_reader, method, args)

    async def _when_writable(self: Any, sock: socket.socket, method: str, *args: Any) -> Any:
        """Return sock.method(*args), now or as soon as the socket is writable."""
        try:
            return getattr(sock, method)(*args)
        except BLOCKED:
            return await self._wait(sock, self._add_writer, self._remove_writer, method, args)

    async def _wait(
        self: Any,
        sock: socket.socket,
        add: Callable[..., asyncio.Handle],
        remove: Callable[[int], bool],
        method: str,
        args: tuple[Any, ...],
    ) -> Any:
        """Return sock.method(*args) once the fd is ready and the call does not block."""
        fd = sock.fileno()
        self._ensure_fd_no_transport(fd)
        future = self.create_future()
        handle = add(fd, _try, fd, remove, future, sock, method, args)
        try:
            return await future
        finally:
            if not handle.cancelled():  # _try() did not get to remove it, nor did a successor
                remove(fd)

    def _check_sock(self: Any, sock: socket.socket) -> None:
        if isinstance(sock, ssl.SSLSocket):
            raise TypeError("Socket cannot be of type SSLSocket")
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")


def _try(
    fd: int,
    remove: Callable[[int], bool],
    future: asyncio.Future[Any],
    sock: socket.socket,
    method: str,
    args: tuple[Any, ...],
) -> None:
    """Try a call again and complete its future; a future that was cancelled takes no data."""
    if future.done():
        return
    try:
        result = getattr(sock, method)(*args)
    except BLOCKED:
        return
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        future.set_exception(exc)
    else:
        future.set_result(result)
    remove(fd)
