"""Draining: what is answered still, and which connections are closed when."""

import asyncio

import pytest

from ngxloop.http import HttpServer
from tests.http.serving import GET, Served, body, client, hello, serving, start
from tests.support.sockets import LOOPBACK
from tests.support.waiting import turns, wait_until


async def test_a_drain_says_close_and_loses_no_request():
    release = asyncio.Event()

    async def application(scope, receive, send):
        await release.wait()
        await hello(scope, receive, send)

    server = HttpServer(application, lifespan="off")
    listening = await asyncio.get_running_loop().create_server(server.protocol, LOOPBACK, 0)
    served = Served(server, listening.sockets[0].getsockname(), listening)
    async with client(served) as busy, client(served) as idle:
        busy.send(GET)
        await wait_until(lambda: server.engine.active_count)
        listening.close()
        draining = asyncio.create_task(server.drain(20.0))
        assert await idle.is_closed()
        release.set()
        answer = await busy.answer()
        assert (answer.body, answer.header(b"connection")) == (b"hello", b"close")
        await draining
    assert not server.engine.connections


async def test_a_drain_serves_idle_connections_for_the_grace_period():
    server = HttpServer(hello, lifespan="off")
    listening = await asyncio.get_running_loop().create_server(server.protocol, LOOPBACK, 0)
    served = Served(server, listening.sockets[0].getsockname(), listening)
    async with client(served) as peer:
        peer.send(GET)
        await peer.answer()
        listening.close()
        draining = asyncio.create_task(server.drain(20.0, idle_grace=10.0))
        await turns(3)
        peer.send(GET)
        assert (await peer.answer()).header(b"connection") == b"close"
        await draining


@pytest.mark.parametrize("is_used", [False, True])
async def test_a_request_that_is_here_but_not_read_is_answered_by_a_drain(is_used):
    async with serving(hello) as served, client(served) as peer:
        if is_used:
            peer.send(GET)
            await peer.answer()
        await wait_until(lambda: served.server.engine.connections)
        peer.send(GET)
        served.server.engine.drain()
        served.server.engine.close_idle()
        answer = await peer.answer()
        assert (answer.body, answer.header(b"connection")) == (b"hello", b"close")
        assert await peer.is_closed()


@pytest.mark.parametrize("behind", [b"", b"\r\n"], ids=["nothing", "an empty line"])
async def test_a_drain_closes_a_connection_behind_an_answer_that_began_before_it(behind):
    release = asyncio.Event()

    async def application(scope, receive, send):
        await send(start())
        await send(body(b"begun", True))
        await release.wait()
        await send(body())

    async with serving(application) as served, client(served) as peer:
        peer.send(GET + behind)
        await peer.reader.readuntil(b"begun")
        served.server.engine.drain()
        served.server.engine.close_idle()
        release.set()
        assert await peer.rest() == b"\r\n0\r\n\r\n"


async def test_a_drain_answers_a_request_that_is_not_read_when_such_an_answer_ends():
    release = asyncio.Event()

    async def application(scope, receive, send):
        await send(start())
        await send(body(b"begun", True))
        if not release.is_set():
            await release.wait()
            peer.send(GET)  # the kernel has it before the answer ends
        await send(body())

    async with serving(application) as served, client(served) as peer:
        peer.send(GET)
        await peer.reader.readuntil(b"begun")
        served.server.engine.drain()
        served.server.engine.close_idle()
        release.set()
        rest = await peer.rest()
    assert rest.count(b"\r\n0\r\n\r\n") == 2
    assert rest.count(b"connection: close\r\n") == 1


async def test_endless_answers_hear_of_the_end_of_a_drain():
    heard = []

    async def application(scope, receive, send):
        await send(start())
        await send(body(b"event", True))
        await receive()
        heard.append(await receive())
        try:
            await send(body(b"more", True))
        except OSError as exc:
            heard.append(type(exc).__name__)

    server = HttpServer(application, lifespan="off")
    listening = await asyncio.get_running_loop().create_server(server.protocol, LOOPBACK, 0)
    served = Served(server, listening.sockets[0].getsockname(), listening)
    async with client(served) as peer:
        peer.send(GET)
        await peer.reader.readuntil(b"event")
        listening.close()
        await server.drain(0.4)
        assert not server.engine.tasks
    assert heard == [{"type": "http.disconnect"}, "ClientDisconnected"]


async def test_what_does_not_end_is_cancelled_at_the_deadline():
    cancelled = asyncio.Event()

    async def application(scope, receive, send):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    server = HttpServer(application, lifespan="off")
    listening = await asyncio.get_running_loop().create_server(server.protocol, LOOPBACK, 0)
    served = Served(server, listening.sockets[0].getsockname(), listening)
    async with client(served) as peer:
        peer.send(GET)
        await wait_until(lambda: server.engine.tasks)
        listening.close()
        await server.drain(0.2)
        assert cancelled.is_set()
        await peer.rest()
