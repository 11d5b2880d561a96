"""Streams: start_server, open_connection, readers with limits, drain."""

import asyncio
import contextlib
from typing import Any

from tests.stress.links import CLIENT_TLS, SERVER_TLS
from tests.stress.pattern import is_piece, piece
from tests.stress.world import Act
from tests.support.addresses import free_address


async def ask_an_echo(act: Act) -> None:
    """A client asks an echo server, and reads the answers in different ways."""
    tls = act.chance(0.3)
    host, port = free_address()
    tasks: set[asyncio.Task[Any]] = set()

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.ensure_future(echo(reader, writer)))

    async def end() -> None:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await server.wait_closed()

    context = SERVER_TLS if tls else None
    server = await asyncio.start_server(serve, host, port, ssl=context, start_serving=False)
    act.defer(end)
    await server.start_serving()
    options = {"ssl": CLIENT_TLS, "server_hostname": "localhost"} if tls else {}
    limit = act.choose(10, 1_000, 65_536)
    reader, writer = await asyncio.open_connection(host, port, limit=limit, **options)
    act.defer(lambda: end_writer(writer))
    await talk(act, reader, writer)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        try:
            while data := await reader.read(50_000):
                writer.write(data)
                await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()


async def end_writer(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def talk(act: Act, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send pieces of the pattern and read them back."""
    position = 0
    for _ in range(act.randomness.randrange(1, 15)):
        size = act.choose(1, 10, 1_000, 70_000, 200_000)
        writer.write(piece(position, size))
        received = await read_back(act, reader, size)
        act.check(is_piece(received, position), f"a wrong echo of {size} bytes at {position}")
        act.check(len(received) == size, f"{len(received)} bytes of {size} came back")
        position += size
        await act.breathe()
    if act.chance(0.5) and writer.can_write_eof():
        writer.write_eof()
        act.check(await reader.read() == b"", "data behind the last")


async def read_back(act: Act, reader: asyncio.StreamReader, size: int) -> bytes:
    """Read so many bytes, whole or in pieces; some reads time out before."""
    with contextlib.suppress(TimeoutError, asyncio.IncompleteReadError):
        if act.chance(0.2):
            async with asyncio.timeout(0):
                return await reader.readexactly(size)
    if act.chance(0.5):
        return await reader.readexactly(size)
    received = b""
    while len(received) < size:
        data = await reader.read(size - len(received))
        if not data:
            break
        received += data
    return received
