"""Frames as a client sends them, and clients that send them byte by byte."""

import base64
import contextlib
import struct
from collections.abc import AsyncIterator, Iterable
from typing import Any, NamedTuple

from tests.http.serving import Answer, Client, Served, client

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x37\xfa\x21\x3d"
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="  # RFC 6455 1.3
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
# What the fields of a handshake are by default; None leaves one out.
FIELDS = {
    b"Host": b"a",
    b"Upgrade": b"websocket",
    b"Connection": b"Upgrade",
    b"Sec-WebSocket-Key": KEY,
    b"Sec-WebSocket-Version": b"13",
}


def handshake(fields: Any = (), *, line: bytes = b"GET / HTTP/1.1") -> bytes:
    """Return the request that asks for a WebSocket, with other or further fields."""
    pairs = [(name, value) for name, value in {**FIELDS, **dict(fields)}.items() if value]
    return b"%b\r\n%b\r\n" % (line, b"".join(b"%b: %b\r\n" % pair for pair in pairs))


def masked(data: bytes, mask: bytes = MASK) -> bytes:
    """Return data under a mask."""
    return bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    reserved: int = 0,
    mask: bytes | None = MASK,
    size_bytes: int | None = None,
) -> bytes:
    """Return a frame.

    Args:
        reserved: the three reserved bits as a number, the first one is 4.
        mask: None: it is not masked.
        size_bytes: in how many bytes behind the second one the size is said; by default as few as
            possible.
    """
    size = len(payload)
    if size_bytes is None:
        size_bytes = 0 if size < 126 else 2 if size < 65536 else 8
    head = bytes(
        [
            fin << 7 | reserved << 4 | opcode,
            (mask is not None) << 7 | {0: size, 2: 126, 8: 127}[size_bytes],
        ]
    )
    head += size.to_bytes(size_bytes, "big") if size_bytes else b""
    return head + (payload if mask is None else mask + masked(payload, mask))


def text(content: str, **more: Any) -> bytes:
    """Return a message of text in one frame."""
    return frame(TEXT, content.encode(), **more)


def close(code: int | None = None, reason: bytes = b"") -> bytes:
    """Return a Close."""
    return frame(CLOSE, b"" if code is None else struct.pack(">H", code) + reason)


class Frame(NamedTuple):
    """A frame of the server."""

    opcode: int
    payload: bytes
    fin: bool = True
    reserved: int = 0


def frames_of(data: bytes) -> list[Frame]:
    """Return the frames of the server in data, which is complete."""
    frames = []
    while data:
        size, offset = data[1], 2
        assert size < 128, "the server must not mask"
        if size > 125:
            offset += 2 if size == 126 else 8
            size = int.from_bytes(data[2:offset], "big")
        assert len(data) >= offset + size, f"cut short: {data!r}"
        payload = data[offset : offset + size]
        frames.append(Frame(data[0] & 15, payload, bool(data[0] & 128), data[0] >> 4 & 7))
        data = data[offset + size :]
    return frames


class WebSocketClient:
    """A client behind its handshake."""

    def __init__(self, peer: Client, answer: Answer) -> None:
        self.peer = peer
        self.answer = answer

    def send(self, *data: bytes) -> None:
        """Send frames."""
        self.peer.send(b"".join(data))

    async def frame(self) -> Frame:
        """Return the next frame."""
        head = await self.peer.exactly(2)
        size = head[1]
        if size > 125:
            more = await self.peer.exactly(2 if size == 126 else 8)
            size = int.from_bytes(more, "big")
        payload = await self.peer.exactly(size)
        return Frame(head[0] & 15, payload, bool(head[0] & 128), head[0] >> 4 & 7)

    async def rest(self) -> list[Frame]:
        """Return all frames up to the end of the connection."""
        return frames_of(await self.peer.rest())

    async def close_code(self) -> int | None:
        """Return the code of the Close that comes next; the connection must end behind it."""
        *before, last = await self.rest()
        assert (before, last.opcode) == ([], CLOSE)
        return int.from_bytes(last.payload[:2], "big") if last.payload else None


@contextlib.asynccontextmanager
async def websocket(
    served: Served, fields: Any = (), *, then: bytes = b"", tls: bool = False
) -> AsyncIterator[WebSocketClient]:
    """Connect and shake hands."""
    async with client(served, tls=tls) as peer:
        peer.send(handshake(fields) + then)
        answer = await peer.answer()
        assert answer.status == 101, answer
        assert answer.header(b"sec-websocket-accept") == ACCEPT
        yield WebSocketClient(peer, answer)


# ---- applications


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Send every message back."""
    assert scope["type"] == "websocket"
    assert await receive() == {"type": "websocket.connect"}
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


class Recorder:
    """An application that keeps what it receives; `ended` is the last message."""

    def __init__(self, *first: dict[str, Any]) -> None:
        self.first = first
        self.received: list[Any] = []
        self.ended: dict[str, Any] | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Accept, and receive until the end."""
        await receive()
        await send({"type": "websocket.accept"})
        for message in self.first:
            await send(message)
        while (message := await receive())["type"] == "websocket.receive":
            self.received.append(message.get("text", message.get("bytes")))
        self.ended = message


def accepting(*messages: dict[str, Any]) -> Any:
    """Return an application that accepts and sends these messages."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for message in messages:
            await send(message)

    return application


def key(content: bytes) -> bytes:
    """Return a Sec-WebSocket-Key."""
    return base64.b64encode(content)


def single_bytes(data: bytes) -> Iterable[bytes]:
    """Return each byte by itself."""
    return (data[i : i + 1] for i in range(len(data)))
