"""create_connection, with a short way to a numeric address.

BaseEventLoop's own way goes through half a dozen coroutines and hooks, and costs more than the
connection. For the plain call, `create_connection(factory, "192.0.2.1", 443)`, the same happens in
the same order, compiled: see ngxloop.transports.connecting. Everything else is BaseEventLoop's:
host names, options, debug mode, and a loop or a socket module of which somebody has replaced what
that way would have called.

A failed connection leaves nothing behind, on every version of Python: no open socket, and no
reference cycle. asyncio does so since 3.14; before, its frames keep the exception whose traceback
keeps the frames.
"""

import asyncio
import contextlib
import functools
import inspect
import socket
import types
from collections.abc import Callable, Coroutine, Generator, Mapping
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
_own_hooks: tuple[Any, ...] = ()

_socket_of = attrgetter("socket", "socket.connect", "socket.__init__")
_own_socket = _socket_of(socket)


def remember_hooks(loop_class: type) -> None:
    """Say which class has the hooks that nobody has replaced."""
    global _own_hooks  # noqa: PLW0603 - the class is made after its base
    _own_hooks = _hooks_of(loop_class)


def check_arguments(coroutine_function: Callable[..., Any], *args: Any, **options: Any) -> None:
    """Raise TypeError in the call, as a coroutine function does, for arguments that it lacks."""
    coroutine_function(*args, **options).close()


def look_like(method: Any, original: Any) -> None:
    """Let a method that returns a coroutine have the signature of a coroutine function."""
    method.__signature__ = inspect.signature(original)
    if hasattr(inspect, "markcoroutinefunction"):  # Python 3.12
        inspect.markcoroutinefunction(method)
    else:
        method._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]


class ClientConnections:
    """The method that makes connections."""

    def create_connection(
        self: Any,
        protocol_factory: Callable[[], Any],
        host: Any = None,
        port: Any = None,
        **options: Any,
    ) -> Coroutine[Any, Any, tuple[Any, Any]]:
        """Connect to a TCP server; see asyncio's documentation for all that it takes.

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
        self: Any, sock: socket.socket, *args: Any, **options: Any
    ) -> tuple[Any, Any]:
        """Return the transport and the protocol of a connected socket, or close the socket."""
        try:
            return await super()._create_connection_transport(  # type: ignore[misc]
                sock, *args, **options
            )
        except BaseException as exc:
            _clear_frames(exc)
            self._close_unless_transported(sock)
            raise

    def _close_unless_transported(self: Any, sock: socket.socket) -> None:
        """Close a socket that has not been given to a transport: the transport closes its own."""
        try:
            self._ensure_fd_no_transport(sock)
        except RuntimeError:
            return
        except ValueError:  # an object of the program's that has no number
            pass
        sock.close()


look_like(ClientConnections.create_connection, asyncio.BaseEventLoop.create_connection)


async def _create_connection(
    loop: Any, protocol_factory: Callable[[], Any], host: Any, port: Any, options: dict[str, Any]
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
    """Let asyncio's own frames of a traceback, which have ended, forget their variables.

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
                with contextlib.suppress(RuntimeError):  # it still runs
                    frame.clear()
            traceback = traceback.tb_next


def _forget_attempts(variables: Mapping[str, Any]) -> None:
    """Empty what staggered_race() keeps the exceptions of all attempts in, before Python 3.14.

    Its inner function refers to itself, and so to them, until the garbage collector comes.
    """
    variables.get("exceptions", []).clear()
    attempt = variables.get("coro_fn")
    if isinstance(attempt, functools.partial):  # of _connect_sock(): a list for each attempt
        for failed in attempt.args[0]:
            failed.clear()


async def _create_plain_connection(
    loop: Any, protocol_factory: Callable[[], Any], host: Any, port: Any
) -> tuple[Any, Any]:
    """Connect without options: by the short way if that is one."""
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
        await _next_turn()  # connection_made() stands in the queue before us
    except BaseException:
        transport.close()
        raise
    return transport, protocol


@types.coroutine
def _next_turn() -> Generator[None, None, None]:
    """Let the task go on in the next turn, behind what is ready by now."""
    yield


def is_replaced(loop: Any) -> bool:
    """Return whether a program or a test has replaced a step of asyncio's way to connect."""
    return (
        _hooks_of(type(loop)) != _own_hooks
        or not loop._own_attributes.keys().isdisjoint(HOOKS)
        or _socket_of(socket) != _own_socket
    )
