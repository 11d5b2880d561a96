"""HttpServer and serve(): an ASGI application on a loop of ngxloop's."""

import asyncio
import contextlib
import socket
import ssl as ssl_module
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

import ngxloop.http.compiled  # noqa: F401  for tools that freeze programs
from ngxloop.core.reactor import Reactor
from ngxloop.http.connection import HttpConnection
from ngxloop.http.engine import Engine
from ngxloop.http.lifespan import Lifespan
from ngxloop.http.options import Options

# How often a server that drains looks whether the last request has ended.
_LOOK_SECONDS = 0.02

# How long applications have to end, once they are told that their clients have left.
_END_SECONDS = 1.0


class HttpServer:
    """Everything of a server but its sockets.

    server = HttpServer(application)
    await server.start()
    listening = await loop.create_server(server.protocol, "127.0.0.1", 8000)
    ...
    listening.close()
    await server.drain(30.0)
    await server.stop()
    """

    def __init__(
        self, application: Any, *, lifespan: str = "auto", options: Options | None = None
    ) -> None:
        """Make a server for the running loop.

        Args:
            application: an ASGI 3 application.
            lifespan: "on", "auto" or "off": whether its start-up and shutdown are run.

        Raises:
            TypeError: the running loop is not one of ngxloop's.
        """
        loop = asyncio.get_running_loop()
        if not isinstance(loop, Reactor):
            raise TypeError(f"ngxloop.http needs a loop of ngxloop's, not {loop!r}")
        self.lifespan: Lifespan = Lifespan(application, lifespan)
        self.engine: Engine = Engine(application, options or Options(), loop)
        self._loop = loop
        self._connection_count: Callable[[], int] = lambda: self.engine.connection_count

    def protocol(self) -> asyncio.Protocol:
        """Return the protocol of a new connection: the factory for loop.create_server()."""
        return cast(asyncio.Protocol, HttpConnection(self.engine))

    async def start(self) -> None:
        """Run the application's start-up.

        Raises:
            LifespanError: it failed.
        """
        await self.lifespan.start()
        self.engine.use_state(self.lifespan.state)

    async def drain(
        self,
        seconds: float,
        idle_grace: float = 0.0,
        *,
        cancel_seconds: float = _END_SECONDS,
        connection_count: Callable[[], int] | None = None,
    ) -> None:
        """Let the requests that are there end; the sockets are closed already.

        Answers say from now on that their connection closes. WebSockets are closed one after the
        other, within Options.websocket_drain, so that not all clients come back at once. Shortly
        before the time is over, applications are told that their clients have left, so that endless
        answers end; what runs then still is cancelled.

        Args:
            seconds: how long requests may go on.
            idle_grace: how long connections without a request stay open, for those that are about
                to send one.
            cancel_seconds: how long what is cancelled has for its clean-up.
            connection_count: how many connections are open, if that is known: the server has not
                seen those yet that were accepted a moment ago.
        """
        start = self._loop.time()
        self._connection_count = connection_count or self._connection_count
        self.engine.drain()
        end = start + max(0.0, seconds - min(_END_SECONDS, seconds / 4))
        spread = self.engine.options.websocket_drain
        closing = asyncio.create_task(self._close_websockets(min(end, start + spread)))
        try:
            await self._drain_requests(start, end, idle_grace)
        finally:
            closing.cancel()
        self.engine.end()
        await self._until(self._is_done, start + seconds)
        for task in list(self.engine.tasks):
            task.cancel()
        if self.engine.tasks:
            await asyncio.wait(list(self.engine.tasks), timeout=cancel_seconds)
        self.engine.abort()

    async def _drain_requests(self, start: float, end: float, idle_grace: float) -> None:
        """Wait until nothing is left; close idle connections after the grace period."""
        await asyncio.sleep(0)  # those that were accepted in this turn have begun then
        await self._until(lambda: not self._connection_count(), min(end, start + idle_grace))
        self.engine.close_idle(idle_grace)
        await self._until(self._is_done, end)

    async def _close_websockets(self, end: float) -> None:
        """Close WebSockets at even distances, the one first that is open longest."""
        while True:  # until cancelled: those that are accepted meanwhile are closed, too
            remaining = max(0.0, end - self._loop.time())
            count = self.engine.websocket_count
            for _ in range(count if remaining == 0 else min(count, 1)):
                self.engine.close_websocket()
            await asyncio.sleep(remaining / count if remaining and count else _LOOK_SECONDS)

    async def stop(self) -> None:
        """Run the application's shutdown.

        Raises:
            LifespanError: it failed.
        """
        await self.lifespan.stop()

    def _is_done(self) -> bool:
        return not self._connection_count() and not self.engine.tasks

    async def _until(self, condition: Callable[[], bool], deadline: float) -> None:
        while not condition() and self._loop.time() < deadline:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(min(_LOOK_SECONDS, max(0.0, deadline - self._loop.time())))


async def serve(
    application: Any,
    host: str | Sequence[str] | None = None,
    port: int | None = None,
    *,
    sock: socket.socket | None = None,
    ssl: ssl_module.SSLContext | None = None,
    backlog: int = 2048,
    lifespan: str = "auto",
    options: Options | None = None,
    shutdown_timeout: float = 30.0,
    listening: Callable[[asyncio.Server], object] | None = None,
) -> None:
    """Serve an ASGI application until this call is cancelled; then drain and shut it down.

    Args:
        host: as for loop.create_server(), likewise port, sock, ssl and backlog.
        lifespan: "on", "auto" or "off"; see HttpServer.
        options: limits, time-outs and the like.
        shutdown_timeout: how long requests may go on after the cancellation, in seconds.
        listening: called with the server once it listens.

    Raises:
        LifespanError: the application's start-up or shutdown failed.
        OSError: the address cannot be used.
        TypeError: the running loop is not one of ngxloop's.
    """
    server = HttpServer(application, lifespan=lifespan, options=options)
    loop = asyncio.get_running_loop()
    await server.start()
    try:
        create_server: Any = loop.create_server  # its overloads have no such union of arguments
        sockets: asyncio.Server = await create_server(
            server.protocol, host, port, sock=sock, ssl=ssl, backlog=backlog
        )
        try:
            if listening is not None:
                listening(sockets)
            await loop.create_future()
        finally:
            sockets.close()
            await server.drain(shutdown_timeout)
            await _close(sockets)
    finally:
        await server.stop()


async def _close(sockets: asyncio.Server) -> None:
    """Wait until connections are lost; those in a TLS handshake, which no drain knows, as well."""
    if sys.version_info >= (3, 13):
        sockets.abort_clients()
    with contextlib.suppress(asyncio.CancelledError, TimeoutError):
        async with asyncio.timeout(_END_SECONDS):
            await sockets.wait_closed()
