"""looptime: the time of a test passes as fast as nothing happens."""

import asyncio
import time

import pytest

import ngxloop
from tests.packages.peers import need
from tests.support.sockets import LOOPBACK

looptime = need("looptime")


@pytest.fixture(params=["patched", "subclass"])
def loop(request):
    """Give a loop whose time looptime lets pass."""
    if request.param == "patched":
        loop = looptime.patch_event_loop(ngxloop.new_event_loop(), start=0)
    else:
        loop = looptime.make_event_loop_class(ngxloop.EventLoop)(start=0)
    yield loop
    loop.close()


def test_sleeps_take_their_time_on_the_loop_s_clock_only(loop):
    async def main():
        await asyncio.gather(*(asyncio.sleep(seconds) for seconds in (1000.3, 2000.1, 0.2)))
        return loop.time()

    before = time.monotonic()
    assert loop.run_until_complete(main()) == pytest.approx(2000.1)
    assert time.monotonic() - before < 1000


def test_timeouts_come_in_their_order(loop):
    async def main():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.sleep(3600), 60)
        await asyncio.wait_for(asyncio.sleep(60), 3600)
        return loop.time()

    assert loop.run_until_complete(main()) == pytest.approx(120)


def test_connections_and_threads_work_meanwhile(loop):
    async def upper(reader, writer):
        await asyncio.sleep(10)
        writer.write((await reader.readline()).upper())
        writer.close()
        await writer.wait_closed()
        served.set_result(None)

    served = loop.create_future()

    async def main():
        server = await asyncio.start_server(upper, LOOPBACK, 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"word\n")
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
        await served
        server.close()
        await server.wait_closed()
        assert await asyncio.to_thread(lambda: "thread") == "thread"
        return answer

    assert loop.run_until_complete(main()) == b"WORD\n"
    assert loop.time() >= 10
    loop.run_until_complete(loop.shutdown_default_executor())
