"""How sockets get connected: create_connection(), sock_connect(), sock_accept(), getaddrinfo().

create_connection(). BaseEventLoop's own goes through half a dozen coroutines and hooks, and costs
more than the connection. The plain call, `create_connection(factory, "192.0.2.1", 443)`, takes a
short way: the same steps in the same order, compiled, see ngxloop.transports.connecting. Everything
else is left to BaseEventLoop: host names, options, debug mode, and a loop or a socket module in
which a step of that way has been replaced.

A failed connection leaves nothing behind, on every version of Python: no open socket, and no
reference cycle. asyncio does so since 3.14; before, its frames keep the exception whose traceback
keeps the frames.

getaddrinfo(). A numeric host with a numeric port is answered by socket.getaddrinfo() in the loop's
own thread: the C library sends no query, so it cannot block, and the answer is the one that a
thread would have returned. Everything else, and debug mode with its log of slow look-ups, is
asyncio's own way through the executor.
"""

import asyncio
import contextlib
import functools
import socket
import ssl
import types
from collections.abc import Callable, Coroutine, Generator, Mapping
from operator import attrgetter
from typing import Any

from ngxloop.aio.coroutines import check_arguments, look_like
from ngxloop.aio.loop_base import LoopBase
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
_own_hooks: tuple[Any, ...] = ()

_socket_of = attrgetter("socket", "socket.connect", "socket.__init__")
_own_socket = _socket_of(socket)


def remember_hooks(loop_class: type) -> None:
    """Set the class with the hooks that count as not replaced."""
    global _own_hooks  # noqa: PLW0603 - the class is made after its base
    _own_hooks = _hooks_of(loop_class)


class Connections(LoopBase):
    """The methods that connect sockets; see the file header."""

    __slots__ = ()

    def create_connection(
        self,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        **options: Any,
    ) -> Coroutine[Any, Any, tuple[Any, Any]]:
        """Connect to a TCP server; asyncio's documentation lists the options.

        Returns:
            The transport and the protocol, after connection_made().

        Raises:
            OSError: "Connect call failed ADDRESS", of the subclass that belongs to the errno.
        """
        if options:
            check_arguments(
                asyncio.BaseEventLoop.create_connection,
                self,
                protocol_factory,
                host,
                port,
                **options,
            )
            return _create_connection(self, protocol_factory, host, port, options)
        return _create_plain_connection(self, protocol_factory, host, port)

    async def _create_connection_transport(
        self, sock: socket.socket, *args: Any, **options: Any
    ) -> Any:
        """Return the transport and the protocol of a connected socket, or close the socket."""
        with contextlib.suppress(ValueError):  # as below
            if self._has_transport(sock):  # first: newer versions close the socket after a failure
                raise RuntimeError(f"File descriptor {sock.fileno()!r} is used by transport")
        try:
            return await super()._create_connection_transport(sock, *args, **options)
        except BaseException as exc:
            _clear_frames(exc)
            self._close_unless_transported(sock)
            raise

    def _close_unless_transported(self, sock: socket.socket) -> None:
        """Close a socket that has not been given to a transport: the transport closes its own.

        One that is closing still has a slot under the number, which must not be another file's.
        """
        with contextlib.suppress(ValueError):  # an object of the program's that has no number
            if self._has_transport(sock):
                return
        sock.close()

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002 - asyncio's name
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, ...]]:
        """Resolve a host and a port as socket.getaddrinfo() does, without blocking the loop."""
        if self.get_debug() or not (_is_numeric(host) and (port is None or _is_int(port))):
            return await asyncio.BaseEventLoop.getaddrinfo(
                self, host, port, family=family, type=type, proto=proto, flags=flags
            )
        self._check_closed()
        return socket.getaddrinfo(host, port, family, type, proto, flags)

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
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
        except (BlockingIOError, InterruptedError):
            # after EINTR it continues in the background as well: connect(2)
            error = await self._sock_connect_result(sock)
            if error:
                raise OSError(error, f"Connect call failed {address}") from None

    async def sock_accept(self, sock: socket.socket) -> tuple[socket.socket, Any]:
        """Accept a connection; return a non-blocking socket and the peer's address."""
        self._check_sock(sock)
        connection, address = await self._sock_accept(sock)
        connection.setblocking(False)
        return connection, address

    def _check_sock(self, sock: socket.socket) -> None:
        if isinstance(sock, ssl.SSLSocket):
            raise TypeError("Socket cannot be of type SSLSocket")
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")


look_like(Connections.create_connection, asyncio.BaseEventLoop.create_connection)


async def _create_connection(
    loop: LoopBase,
    protocol_factory: Callable[[], Any],
    host: Any,
    port: Any,
    options: dict[str, Any],
) -> tuple[Any, Any]:
    """Connect with options, as BaseEventLoop does."""
    try:
        return await asyncio.BaseEventLoop.create_connection(
            loop, protocol_factory, host, port, **options
        )
    except BaseException as exc:
        _clear_frames(exc)
        raise


def _clear_frames(exc: BaseException) -> None:
    """Clear the variables of asyncio's own frames in a traceback, which have ended.

    They hold the exception itself, or a future that does.
    """
    for error in (exc, *getattr(exc, "exceptions", ())):
        traceback = error.__traceback__
        while traceback is not None:
            frame = traceback.tb_frame
            module = frame.f_globals.get("__name__", "")
            if module == "asyncio.staggered":
                _forget_attempts(frame.f_locals)
            if module.startswith("asyncio."):
                with contextlib.suppress(RuntimeError):  # still running
                    frame.clear()
            traceback = traceback.tb_next


def _forget_attempts(variables: Mapping[str, Any]) -> None:
    """Empty the lists in which staggered_race() keeps all attempts' exceptions, before Python 3.14.

    Its inner function refers to itself, and so to them, until the garbage collector runs.
    """
    variables.get("exceptions", []).clear()
    attempt = variables.get("coro_fn")
    if isinstance(attempt, functools.partial):  # of _connect_sock(): a list for each attempt
        for failed in attempt.args[0]:
            failed.clear()


async def _create_plain_connection(
    loop: LoopBase, protocol_factory: Callable[[], Any], host: Any, port: Any
) -> tuple[Any, Any]:
    """Connect without options: by the short way if it applies."""
    connecting = None
    if not (loop.is_closed() or loop.get_debug() or is_replaced(loop)):
        connecting = connect_begin(loop, host, port)
    if connecting is None:
        return await _create_connection(loop, protocol_factory, host, port, {})
    try:
        if connecting.waiter is not None:
            connecting.check(await connecting.waiter)
        protocol = protocol_factory()
        transport = connecting.make_transport(protocol)
    except BaseException:
        connecting.close()
        raise
    try:
        await _next_turn()  # connection_made() is before us in the queue
    except BaseException:
        transport.close()
        raise
    return transport, protocol


@types.coroutine
def _next_turn() -> Generator[None, None, None]:
    """Continue the task in the next turn, behind what is ready by now."""
    yield


def is_replaced(loop: LoopBase) -> bool:
    """Return whether a program or a test has replaced a step of asyncio's way to connect."""
    return (
        _hooks_of(type(loop)) != _own_hooks
        or not loop._own_attributes.keys().isdisjoint(HOOKS)
        or _socket_of(socket) != _own_socket
    )


def _is_int(port: object) -> bool:
    return type(port) is int


def _is_numeric(host: object) -> bool:
    """Return whether host is a plain IPv4 or IPv6 address; a zone needs a look-up of interfaces."""
    if type(host) is not str:
        return False
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host)
        except (OSError, ValueError):
            continue
        return True
    return False
