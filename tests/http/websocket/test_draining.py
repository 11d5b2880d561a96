"""Draining: WebSockets are closed one after the other, with 1012."""

import asyncio
import contextlib

from ngxloop.http import HttpServer, Options
from tests.http.serving import Served, client
from tests.http.websocket.frames import (
    CLOSE,
    Frame,
    Recorder,
    close,
    handshake,
    text,
    websocket,
)
from tests.support.sockets import LOOPBACK
from tests.support.waiting import wait_until

RESTART = Frame(CLOSE, b"\x03\xf4Service Restart")


@contextlib.asynccontextmanager
async def listening(application, **options):
    """Serve without an end of its own."""
    server = HttpServer(application, lifespan="off", options=Options(**options))
    sockets = await asyncio.get_running_loop().create_server(server.protocol, LOOPBACK, 0)
    yield Served(server, sockets.sockets[0].getsockname(), sockets)
    sockets.close()
    await wait_until(lambda: not server.engine.connections)


async def test_drain_spreads_the_closes_and_the_oldest_is_the_first():
    ended = []

    def application(scope, receive, send):
        return Recorder()(scope, receive, send)

    async with (
        listening(application, websocket_drain=1.0) as served,
        contextlib.AsyncExitStack() as stack,
    ):
        peers = [await stack.enter_async_context(websocket(served)) for _ in range(10)]

        async def close_of(number):
            assert await peers[number].frame() == RESTART
            ended.append((number, asyncio.get_running_loop().time()))
            peers[number].send(close(1012))
            assert await peers[number].rest() == []

        start = asyncio.get_running_loop().time()
        served.listening.close()
        draining = asyncio.create_task(served.server.drain(20.0))
        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(close_of(number))
        await draining
    assert [number for number, _ in ended] == list(range(10))
    for number, when in ended:  # none is early, whatever else the machine does
        assert when - start >= number * 0.1 - 0.02
    assert not served.server.engine.tasks


async def test_drain_closes_within_its_time_even_if_that_is_shorter_than_the_spread():
    application = Recorder()
    async with (
        listening(application, websocket_drain=1000.0) as served,
        websocket(served) as one,
        websocket(served) as other,
    ):
        served.listening.close()
        draining = asyncio.create_task(served.server.drain(0.4))
        assert await one.frame() == RESTART
        assert await other.frame() == RESTART
        await draining


async def test_drain_without_a_spread_closes_all_at_once():
    application = Recorder()
    async with (
        listening(application, websocket_drain=0) as served,
        websocket(served) as one,
        websocket(served) as other,
    ):
        served.listening.close()
        draining = asyncio.create_task(served.server.drain(20.0))
        for peer in (one, other):
            assert await peer.frame() == RESTART
            peer.send(close(1012))
        await draining
    assert application.ended == {
        "type": "websocket.disconnect",
        "code": 1012,
        "reason": "Service Restart",
    }


async def test_drain_closes_what_is_accepted_during_it():
    go_on = asyncio.Event()

    async def application(scope, receive, send):
        await go_on.wait()
        await Recorder()(scope, receive, send)

    async with listening(application, websocket_drain=0) as served, client(served) as peer:
        peer.send(handshake())
        await wait_until(lambda: served.server.engine.tasks)
        served.listening.close()
        draining = asyncio.create_task(served.server.drain(20.0))
        await wait_until(lambda: served.server.engine.draining)
        go_on.set()
        assert (await peer.answer()).status == 101
        peer.send(close(1012))
        await draining
        assert b"\x03\xf4" in await peer.rest()


async def test_handshake_that_is_not_answered_hears_of_the_end_of_a_drain():
    heard = []

    async def application(scope, receive, send):
        await receive()
        heard.append(await receive())

    async with listening(application) as served, client(served) as peer:
        peer.send(handshake())
        await wait_until(lambda: served.server.engine.tasks)
        served.listening.close()
        await served.server.drain(0.4)
    assert heard == [{"type": "websocket.disconnect", "code": 1012, "reason": ""}]


async def test_messages_go_on_until_the_close():
    application = Recorder()
    async with (
        listening(application, websocket_drain=1000.0) as served,
        websocket(served) as first,
        websocket(served) as second,
    ):
        served.listening.close()
        draining = asyncio.create_task(served.server.drain(4.0))
        assert await first.frame() == RESTART
        second.send(text("later"))
        await wait_until(lambda: application.received == ["later"])
        second.send(close(1001))
        assert await second.close_code() == 1001
        first.send(close(1012))
        await draining


async def test_application_that_goes_on_after_its_close_is_cancelled_at_the_deadline():
    cancelled = asyncio.Event()

    async def application(scope, receive, send):
        await receive()
        await send({"type": "websocket.accept"})
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with listening(application, websocket_drain=0) as served, websocket(served) as peer:
        served.listening.close()
        await served.server.drain(0.2)
        assert cancelled.is_set()
        assert await peer.rest() == [RESTART]
