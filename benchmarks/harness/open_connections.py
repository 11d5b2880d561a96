"""Idle connections and their listener: what a program's loop watches while it does other work."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

from benchmarks.harness.echo import HOST

WAIT_SECONDS = 10.0


class Idle(asyncio.Protocol):
    """Counts its connections; `all_open` is set when there are as many as wanted."""

    def __init__(self, left: list[None], all_open: asyncio.Event) -> None:
        self._left = left
        self._all_open = all_open

    def connection_made(self, _transport: asyncio.BaseTransport) -> None:
        self._left.pop()
        if not self._left:
            self._all_open.set()


@contextlib.asynccontextmanager
async def open_connections(loop: asyncio.AbstractEventLoop, count: int) -> AsyncIterator[None]:
    """Watch a listener and that number of accepted connections in the block; nothing is sent."""
    left: list[None] = [None] * count
    all_open = asyncio.Event()
    server = await loop.create_server(lambda: Idle(left, all_open), HOST, 0)
    address = server.sockets[0].getsockname()
    with contextlib.ExitStack() as clients:
        for _ in range(count):
            clients.enter_context(socket.create_connection(address, WAIT_SECONDS))
        await asyncio.wait_for(all_open.wait(), WAIT_SECONDS)
        yield
    server.close()
