"""An HttpServer of the running loop, and clients that speak bytes."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from typing import Any, NamedTuple

from ngxloop.http import HttpServer, Options
from tests.support.sockets import LOOPBACK
from tests.support.tls import client_context, server_context
from tests.support.waiting import DEADLINE, wait_until

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Served(NamedTuple):
    """A server that listens, and where."""

    server: HttpServer
    address: tuple[str, int]
    listening: asyncio.Server


@contextlib.asynccontextmanager
async def serving(
    application: Any, *, tls: bool = False, lifespan: str = "off", **options: Any
) -> AsyncIterator[Served]:
    """Serve an application; at the end nothing of it is left.

    WebSocket clients get Pings only if a test asks for them: on a busy machine one may take as long
    as the usual interval.
    """
    options = {"ws_ping_interval": 0.0, **options}
    server = HttpServer(application, lifespan=lifespan, options=Options(**options))
    await server.start()
    listening = await asyncio.get_running_loop().create_server(
        server.protocol, LOOPBACK, 0, ssl=server_context() if tls else None
    )
    try:
        yield Served(server, listening.sockets[0].getsockname(), listening)
    finally:
        listening.close()
        await server.drain(0.0)
        await server.stop()
        await wait_until(lambda: not server.engine.connections)
        await wait_until(lambda: not server.engine.tasks)
        assert server.engine.active_count == 0


class Client(NamedTuple):
    """Both ends of a client's streams."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    async def answer(self, *, to_head: bool = False) -> "Answer":
        """Return the next answer, interim ones as well."""
        async with asyncio.timeout(DEADLINE):
            return await read_answer(self.reader, to_head)

    async def exactly(self, size: int) -> bytes:
        """Return so many bytes."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        """Return everything up to the end of the connection."""
        async with asyncio.timeout(DEADLINE):
            return await self.reader.read()

    async def is_closed(self) -> bool:
        """Wait for the end; return whether nothing came before it."""
        return await self.rest() == b""

    def reset(self) -> None:
        """Leave in a way that the server's kernel learns at once."""
        self.writer.transport.abort()


class Answer(NamedTuple):
    """One answer as a client reads it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    trailers: list[tuple[bytes, bytes]]

    def header(self, name: bytes) -> bytes | None:
        """Return the value of the only field of this name."""
        values = [value for key, value in self.headers if key.lower() == name]
        assert len(values) <= 1, f"{name!r} occurs more than once"
        return values[0] if values else None


@contextlib.asynccontextmanager
async def client(served: Served, *, tls: bool = False) -> AsyncIterator[Client]:
    """Connect to the server; at the end the connection is closed."""
    options: dict[str, Any] = {}
    if tls:
        options = {"ssl": client_context(), "server_hostname": "localhost"}
    reader, writer = await asyncio.open_connection(*served.address, **options)
    try:
        yield Client(reader, writer)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def post(content: bytes, then: bytes = b"") -> bytes:
    """Return a request with a body, and what is to follow it."""
    return b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b%b" % (
        len(content),
        content,
        then,
    )


@contextlib.contextmanager
def plain_socket(served: Served) -> Iterator[socket.socket]:
    """Give a non-blocking socket connected to the server."""
    with socket.create_connection(served.address) as sock:
        sock.setblocking(False)
        yield sock


async def read_answer(reader: asyncio.StreamReader, to_head: bool) -> Answer:
    """Read one answer by its framing."""
    line = await reader.readuntil(b"\r\n")
    version, status = line.split(b" ", 2)[:2]
    assert version == b"HTTP/1.1"
    headers = await read_fields(reader)
    names = {name.lower(): value for name, value in headers}
    code = int(status)
    if to_head or code < 200 or code in (204, 304):
        return Answer(code, headers, b"", [])
    if names.get(b"transfer-encoding") == b"chunked":
        assert b"content-length" not in names
        body, trailers = await read_chunks(reader)
        return Answer(code, headers, body, trailers)
    if b"content-length" in names:
        return Answer(code, headers, await reader.readexactly(int(names[b"content-length"])), [])
    return Answer(code, headers, await reader.read(), [])


async def read_fields(reader: asyncio.StreamReader) -> list[tuple[bytes, bytes]]:
    """Read field lines up to the empty line."""
    fields = []
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
        name, _, value = line[:-2].partition(b": ")
        fields.append((name, value))
    return fields


async def read_chunks(
    reader: asyncio.StreamReader,
) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """Read a chunked body and its trailers."""
    body = b""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    return body, await read_fields(reader)


# ---- applications


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answer with five bytes, without reading the body."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def read_body(receive: Any) -> bytes:
    """Return the whole body of a request."""
    body = b""
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        if not message["more_body"]:
            return body


def answering(*messages: dict[str, Any]) -> Any:
    """Return an application that sends these messages."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    return application


def start(status: int = 200, headers: Any = (), **more: Any) -> dict[str, Any]:
    """Return the message that begins an answer."""
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(content: Any = b"", more: bool = False) -> dict[str, Any]:
    """Return a message with some of an answer's body."""
    return {"type": "http.response.body", "body": content, "more_body": more}
