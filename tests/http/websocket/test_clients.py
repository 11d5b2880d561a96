"""Clients of the packages websockets and wsproto, over TCP and TLS."""

import asyncio
from typing import Any

import pytest
import websockets
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Ping,
    Pong,
    Request,
    TextMessage,
)
from wsproto.extensions import PerMessageDeflate

from tests.http.serving import client, serving
from tests.http.websocket.frames import echo
from tests.support.tls import client_context
from tests.support.waiting import DEADLINE

OVER = pytest.mark.parametrize("tls", [False, True], ids=["TCP", "TLS"])
DEFLATE = pytest.mark.parametrize("deflate", [False, True], ids=["plain", "deflate"])
MESSAGES = [
    "", b"", "text", b"bytes", "ünïcödé €", "x" * 125, b"y" * 126, "z" * 65536, b"w" * 200_000,
]  # fmt: skip


def options_of(tls: bool) -> dict[str, Any]:
    return {"ssl": client_context(), "server_hostname": "localhost"} if tls else {}


@OVER
@DEFLATE
async def test_websockets(tls, deflate):
    async with serving(echo, tls=tls) as served:
        host, port = served.address
        uri = f"{'wss' if tls else 'ws'}://{host}:{port}/"
        compression: Any = "deflate" if deflate else None
        async with websockets.connect(uri, compression=compression, **options_of(tls)) as peer:
            for message in MESSAGES:
                await peer.send(message)
                assert await peer.recv() == message
            await peer.send(["in ", "three ", "frames"])
            assert await peer.recv() == "in three frames"
            await asyncio.wait_for(await peer.ping(b"here?"), DEADLINE)
            await peer.close(4321, "enough")
            assert (peer.close_code, peer.close_reason) == (4321, "enough")


@OVER
@DEFLATE
async def test_wsproto(tls, deflate):
    async with serving(echo, tls=tls) as served, client(served, tls=tls) as peer:
        connection = WSConnection(ConnectionType.CLIENT)
        extensions = [PerMessageDeflate()] if deflate else []
        peer.send(connection.send(Request("localhost", "/", extensions=extensions)))
        events = incoming(peer, connection)
        accepted = await anext(events)
        assert isinstance(accepted, AcceptConnection)
        assert len(accepted.extensions) == deflate
        for message in MESSAGES:
            kind = TextMessage if isinstance(message, str) else BytesMessage
            peer.send(connection.send(kind(message)))
            assert await whole_message(events) == message
        peer.send(connection.send(Ping(b"here?")))
        assert await anext(events) == Pong(bytearray(b"here?"))
        peer.send(connection.send(CloseConnection(4321, "enough")))
        assert await anext(events) == CloseConnection(4321, "enough")
        assert await peer.is_closed()


async def incoming(peer, connection):
    """Yield what the server sends."""
    while data := await asyncio.wait_for(peer.reader.read(65536), DEADLINE):
        connection.receive_data(data)
        for event in connection.events():
            yield event


async def whole_message(events):
    """Return a message, of which a piece comes with each read."""
    event = await anext(events)
    message = event.data
    while not event.message_finished:
        event = await anext(events)
        message += event.data
    return message
