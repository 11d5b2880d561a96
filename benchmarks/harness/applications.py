"""What the prefork servers serve: the same ASGI application on all, and protocols for ngxloop's.

An ASGI worker that has started writes its process id into the file that READY_VARIABLE names: the
harness knows then, from every server in the same way, how many workers there are and which.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

READY_VARIABLE = "BENCHMARK_READY_FILE"
HELLO = b"Hello, world!"
LARGE = b"x" * 10240


async def hello(scope: Message, receive: Receive, send: Send) -> None:
    """Answer every request with the same few bytes."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await _answer(send, HELLO)


async def paths(scope: Message, receive: Receive, send: Send) -> None:
    """Answer as the path says: a few bytes, 10 KiB, or what was sent."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["path"] == "/large":
        await _answer(send, LARGE)
    elif scope["path"] == "/echo":
        await _answer(send, await _body(receive))
    else:
        await _answer(send, HELLO)


async def who(scope: Message, receive: Receive, send: Send) -> None:
    """Answer every request with the process id of the worker."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
        return
    await _answer(send, b"%d" % os.getpid())


class Greeter(asyncio.Protocol):
    """Greets, and keeps the connection open."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(HELLO)


class Echo(asyncio.Protocol):
    """Sends back what it receives."""

    transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)


async def _answer(send: Send, body: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive) -> bytes:
    body = b""
    more = True
    while more:
        message = await receive()
        body += message["body"]
        more = message["more_body"]
    return body


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    _report_ready()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


def _report_ready() -> None:
    """Append our process id in one write: several workers do this at the same time."""
    fd = os.open(os.environ[READY_VARIABLE], os.O_WRONLY | os.O_APPEND)
    os.write(fd, b"%d\n" % os.getpid())
    os.close(fd)
