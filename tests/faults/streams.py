"""Scenarios of stream connections: TCP, TLS, Unix sockets; see scenarios.py."""

import asyncio
import contextlib
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from tests.faults.checks import ALLOWED, BUFFER_BYTES, LARGE, PARTS, SMALL, Check
from tests.support.tls import client_context, server_context

SERVER_CONTEXT = server_context()
CLIENT_CONTEXT = client_context()


async def read_all(reader: asyncio.StreamReader, count: int) -> bytes:
    try:
        return await reader.readexactly(count)
    except asyncio.IncompleteReadError as error:
        return error.partial


async def close_writer(writer: asyncio.StreamWriter, check: Check) -> None:
    writer.close()
    try:
        await writer.wait_closed()
    except ALLOWED as error:
        check.told(error)


def _echo(check: Check) -> Callable[..., Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ALLOWED as error:
            check.told(error)
        await close_writer(writer, check)

    return serve


async def _exchange(
    check: Check, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Send the parts to an echo and read them back."""
    try:
        for part in PARTS:
            writer.write(part)
            got = await read_all(reader, len(part))
            check.received("the client", part, got)
            if len(got) < len(part):
                break
    except ALLOWED as error:
        check.told(error)
    finally:
        await close_writer(writer, check)


@contextlib.asynccontextmanager
async def _echo_server(
    check: Check, start: Callable[..., Awaitable[asyncio.Server]], *arguments: Any, **options: Any
) -> AsyncIterator[asyncio.Server]:
    server = await start(_echo(check), *arguments, **options)
    try:
        if not server.sockets:
            raise OSError("no address could be served")
        yield server
    finally:
        server.close()
        await _others_end()
        await server.wait_closed()


async def _others_end() -> None:
    """Wait for the tasks of connections, of those too that have just been accepted."""
    await asyncio.sleep(0.001)
    if others := asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait(others)


async def tcp_echo(check: Check) -> None:
    async with _echo_server(check, asyncio.start_server, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await _exchange(check, reader, writer)


async def renewed_epoll(check: Check) -> None:
    """A connection lives on while the loop has to make its epoll instance anew."""
    loop = asyncio.get_running_loop()
    async with _echo_server(check, asyncio.start_server, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        try:
            await _report_closed_file(loop)
            await loop.run_in_executor(None, lambda: None)  # its end wakes the loop
        finally:
            await _exchange(check, reader, writer)


async def _report_closed_file(loop: asyncio.AbstractEventLoop) -> None:
    """Close a watched file that a duplicate keeps open: its epoll instance goes on reporting it."""
    ours, theirs = socket.socketpair()
    with theirs, ours.dup():
        fd = ours.fileno()
        loop.add_reader(fd, lambda: None)
        await asyncio.sleep(0)
        ours.close()
        loop.remove_reader(fd)
        theirs.send(SMALL)
        for _ in range(3):  # the second report in a row leads to another instance
            await asyncio.sleep(0.001)


async def tls_echo(check: Check) -> None:
    options = {"ssl": SERVER_CONTEXT}
    async with _echo_server(check, asyncio.start_server, "127.0.0.1", 0, **options) as server:
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(
            *address, ssl=CLIENT_CONTEXT, server_hostname="localhost"
        )
        await _exchange(check, reader, writer)


async def unix_echo(check: Check) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        async with _echo_server(check, asyncio.start_unix_server, path):
            reader, writer = await asyncio.open_unix_connection(path)
            await _exchange(check, reader, writer)


class _Collecting(asyncio.BufferedProtocol):
    """Collects what comes, and knows when and why it ended."""

    def __init__(self) -> None:
        self.content = bytearray()
        self.room = bytearray(8192)
        self.lost = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> bytearray:
        return self.room

    def buffer_updated(self, count: int) -> None:
        self.content += self.room[:count]

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


class _EchoUntilEnd(asyncio.Protocol):
    """Sends back what comes, in pieces, and closes at the end of it."""

    def __init__(self, lost: list[asyncio.Future[Exception | None]]) -> None:
        self.lost = asyncio.get_running_loop().create_future()
        lost.append(self.lost)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        half = len(data) // 2
        self.transport.writelines([data[:half], memoryview(data)[half:]])

    def connection_lost(self, error: Exception | None) -> None:
        self.lost.set_result(error)


async def tcp_protocols(check: Check) -> None:
    loop = asyncio.get_running_loop()
    lost: list[asyncio.Future[Exception | None]] = []
    listening = socket.create_server(("127.0.0.1", 0))
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    server = await loop.create_server(lambda: _EchoUntilEnd(lost), sock=listening)
    try:
        _, protocol = await loop.create_connection(_Collecting, *listening.getsockname())
        protocol.transport.write(LARGE)
        protocol.transport.writelines([SMALL, SMALL])
        protocol.transport.write_eof()
        check.told(await protocol.lost)
        check.received("the client", LARGE + SMALL + SMALL, bytes(protocol.content))
    finally:
        server.close()
        for ended in lost:
            check.told(await ended)
        await server.wait_closed()


async def sendfile(check: Check) -> None:
    loop = asyncio.get_running_loop()
    lost: list[asyncio.Future[Exception | None]] = []
    server = await loop.create_server(lambda: _EchoUntilEnd(lost), "127.0.0.1", 0)
    try:
        with tempfile.TemporaryFile() as file:
            file.write(LARGE)
            transport, protocol = await loop.create_connection(
                _Collecting, *server.sockets[0].getsockname()
            )
            try:
                await loop.sendfile(transport, file)
                transport.write_eof()
            except (*ALLOWED, RuntimeError) as error:  # RuntimeError: it is closing already
                check.told(error)
                transport.close()
            check.told(await protocol.lost)
            check.received("the client", LARGE, bytes(protocol.content))
    finally:
        server.close()
        for ended in lost:
            check.told(await ended)
        await server.wait_closed()
