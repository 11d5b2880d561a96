"""Serve a stream handler, `async def handle(reader, writer)`: one task for each connection.

A handler has no notion of an idle connection, so draining waits for the handlers to return, and
cancels them at the deadline. A handler that raises has its connection closed and its error reported
on every Python version (3.11 reports it late and leaves the connection open).
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from ngxloop.serving.base.timing import CANCEL_SECONDS
from ngxloop.serving.logs.logs import log
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.worker.adapters.base import AdapterContext, wait_until
from ngxloop.serving.worker.shutdownsignals import describe_some


class Adapter:
    """One asyncio stream server for each listening socket."""

    name = "streams"

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._handle = context.application
        self._config = context.config
        self._connection_count = context.connection_count
        self._servers: list[asyncio.Server] = []
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, sockets: Sequence[ListeningSocket]) -> None:
        """Accept connections."""
        for sock in sockets:
            options = {"backlog": self._config.backlog, **self._context.tls_options(sock)}
            server = await asyncio.start_server(self._run_handler, sock=sock, **options)
            self._servers.append(server)

    async def drain(self, deadline: float) -> None:
        """Wait for the handlers to return; cancel them at the deadline."""
        for server in self._servers:
            server.close()
        if await wait_until(self._is_idle, deadline):
            return
        log.warning(
            "%d stream handlers cancelled at the deadline: %s",
            len(self._tasks),
            describe_some(self._tasks),
        )
        for task in self._tasks:
            task.cancel("graceful time-out")
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CANCEL_SECONDS)

    async def _run_handler(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._handle(reader, writer)
        except Exception as error:
            _report(error, writer)
        finally:
            self._tasks.discard(task)

    def _is_idle(self) -> bool:
        return not self._tasks and self._connection_count() == 0


def _report(error: Exception, writer: asyncio.StreamWriter) -> None:
    """Close the connection and tell the loop's exception handler, as asyncio does from 3.12 on."""
    writer.close()
    asyncio.get_running_loop().call_exception_handler(
        {
            "message": "Unhandled exception in client_connected_cb",
            "exception": error,
            "transport": writer.transport,
        }
    )
