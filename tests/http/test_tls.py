"""TLS: handshakes that end, or do not, while a server drains; ends that wait for no client."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from ngxloop.http import serve
from tests.http.serving import GET, Served, client, hello, serving
from tests.support.tls import client_context, server_context
from tests.support.waiting import DEADLINE, turns, wait_until

LONG = {"client_header_timeout": 100_000.0}


class Handshake:
    """A TLS client that goes on step by step, on a socket that no transport owns."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._received, self._unsent = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # our last message is the server's go
        self._tls = context.wrap_bio(self._received, self._unsent, server_hostname="localhost")

    async def begin(self) -> None:
        """Send the first message; the answer to it is received."""
        self._step()
        await self._send()
        await self._receive()

    async def end(self, request: bytes = b"") -> None:
        """Do the rest; a request leaves behind it."""
        while not self._step():
            await self._send()
            await self._receive()
        if request:
            self._tls.write(request)
        await self._send()

    async def rest(self) -> bytes:
        """Return what comes up to the end."""
        data = b""
        while True:
            try:
                while piece := self._tls.read(65536):
                    data += piece
                return data
            except ssl.SSLWantReadError:
                await self._receive()

    def _step(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_sendall(self._sock, self._unsent.read())

    async def _receive(self) -> None:
        async with asyncio.timeout(DEADLINE):
            data = await asyncio.get_running_loop().sock_recv(self._sock, 65536)
        self._received.write(data) if data else self._received.write_eof()


@contextlib.asynccontextmanager
async def in_a_handshake(served: Served):
    """Give a client that has begun a handshake with a server that drains since."""
    with socket.create_connection(served.address) as sock:
        sock.setblocking(False)
        handshake = Handshake(sock)
        await handshake.begin()
        yield handshake


@pytest.mark.parametrize("grace", [0.0, 0.05])
async def test_a_handshake_that_ends_when_idle_connections_are_closed_holds_no_drain(grace):
    async with serving(hello, tls=True, **LONG) as served:
        engine = served.server.engine
        async with in_a_handshake(served) as handshake:
            engine.drain()
            engine.close_idle(grace)
            await handshake.end()
            assert await handshake.rest() == b""
            await wait_until(lambda: not engine.connections)


async def test_a_request_behind_such_a_handshake_is_answered_and_told_to_close():
    async with serving(hello, tls=True, **LONG) as served:
        engine = served.server.engine
        async with in_a_handshake(served) as handshake:
            engine.drain()
            engine.close_idle(1000.0)
            await handshake.end(GET)
            answer = await handshake.rest()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in answer


async def test_a_handshake_that_ends_when_the_drain_is_over_is_closed():
    async with serving(hello, tls=True, **LONG) as served:
        engine = served.server.engine
        async with in_a_handshake(served) as handshake:
            engine.end()
            await handshake.end()
            assert await handshake.rest() == b""
            await wait_until(lambda: not engine.connections)


@pytest.mark.parametrize("reason", ["time", "drain", "last answer"])
async def test_the_end_waits_for_no_close_notify_of_the_client(reason):
    """A client that reads nothing between its requests does not answer ours."""
    keep_alive = 0.05 if reason == "time" else 100_000.0
    async with serving(hello, tls=True, timeout_keep_alive=keep_alive) as served:
        engine = served.server.engine
        async with client(served, tls=True) as peer:
            below = peer.writer.get_extra_info("socket")
            if reason == "last answer":
                engine.drain()
            peer.send(GET)
            if reason == "drain":
                await peer.answer()
                peer.writer.transport.pause_reading()
                engine.drain()
                engine.close_idle()
            else:
                peer.writer.transport.pause_reading()
            await wait_until(lambda: engine.request_count == 1)
            await wait_until(lambda: not engine.connections)
            assert below.fileno() >= 0


async def test_a_handshake_that_does_not_end_holds_no_server():
    addresses = []
    serving_on = serve(
        hello,
        "127.0.0.1",
        0,
        ssl=server_context(),
        lifespan="off",
        shutdown_timeout=0.2,
        listening=lambda sockets: addresses.append(sockets.sockets[0].getsockname()),
    )
    task = asyncio.create_task(serving_on)
    await wait_until(lambda: addresses)
    with socket.create_connection(addresses[0]) as sock:
        sock.setblocking(False)
        await Handshake(sock).begin()
        await turns(3)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=DEADLINE)
    assert done
