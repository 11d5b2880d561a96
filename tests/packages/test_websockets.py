"""websockets: server and client on our loop."""

import asyncio

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosedOK

from tests.support.sockets import LOOPBACK
from tests.support.tls import client_context, server_context


async def echo(websocket):
    """Send back every message."""
    async for message in websocket:
        await websocket.send(message)


@pytest.fixture(params=["plain", "tls"])
async def url(request):
    """Give the URL of an echo server, and the options a client needs for it."""
    tls = {"ssl": server_context()} if request.param == "tls" else {}
    async with serve(echo, LOOPBACK, 0, **tls) as server:
        port = server.sockets[0].getsockname()[1]
        if tls:
            yield f"wss://localhost:{port}", {"ssl": client_context()}
        else:
            yield f"ws://{LOOPBACK}:{port}", {}


async def test_messages_come_back(url):
    address, options = url
    async with connect(address, **options) as websocket:
        for message in ("hello", b"bytes", "x" * 500_000):
            await websocket.send(message)
            assert await websocket.recv() == message


async def test_pings_are_answered(url):
    address, options = url
    async with connect(address, **options) as websocket:
        assert await (await websocket.ping()) >= 0


async def test_many_clients_talk_at_once(url):
    address, options = url

    async def talk(number):
        async with connect(address, **options) as websocket:
            for _ in range(10):
                await websocket.send(str(number))
                assert await websocket.recv() == str(number)

    await asyncio.gather(*(talk(number) for number in range(20)))


async def test_a_closed_connection_says_so(url):
    address, options = url
    async with connect(address, **options) as websocket:
        await websocket.close()
        with pytest.raises(ConnectionClosedOK):
            await websocket.recv()
