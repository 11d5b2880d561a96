"""Listener: a process that has no file descriptor left for the next connection."""

import asyncio
import contextlib
import resource

import pytest

from tests.support.sockets import LOOPBACK
from tests.support.streams import address_of, serving
from tests.support.waiting import turns
from tests.transports.accepting import Factory, close_all, connect_all


class Clock:
    """A clock for a loop, which stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextlib.contextmanager
def no_fds_left():
    """Let every attempt to open a file descriptor fail with EMFILE."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture
async def clock():
    """Give the running loop a clock that stands still."""
    loop = asyncio.get_running_loop()
    loop.time = Clock()
    yield loop.time
    del loop.time


async def test_shortage_rests_every_listener_for_a_second(clock, reports):
    factory, other = Factory(), Factory()
    async with serving(factory) as server, serving(other) as other_server:
        with contextlib.ExitStack() as stack:
            connect_all(stack, address_of(server), 3)
            with no_fds_left():
                await turns(3)
            connect_all(stack, address_of(other_server), 1)
            clock.now += 0.999
            await turns(5)
            resting = (len(factory.made), len(other.made))

            clock.now += 0.002
            await turns(5)

            assert resting == (0, 0)
            assert (len(factory.made), len(other.made)) == (3, 1)
            await close_all(factory)
            await close_all(other)

    (report,) = reports
    assert report["message"] == "socket.accept() out of system resource"
    assert report["socket"].fileno() == -1  # that of the server, which is closed by now
    reports.clear()


async def test_shortage_that_goes_on_is_reported_once_a_second(clock, reports):
    factory = Factory()
    async with serving(factory) as server:
        with contextlib.ExitStack() as stack:
            connect_all(stack, address_of(server), 2)
            with no_fds_left():
                counts = []
                for _ in range(3):
                    await turns(5)
                    counts.append(len(reports))
                    clock.now += 1.001
            await turns(5)
            assert len(factory.made) == 2
            await close_all(factory)

    assert counts == [1, 2, 3]
    reports.clear()


async def test_resting_listeners_cost_no_turns(reports):
    loop = asyncio.get_running_loop()
    factory = Factory()
    async with serving(factory) as server:
        with contextlib.ExitStack() as stack:
            connect_all(stack, address_of(server), 1)
            with no_fds_left():
                await turns(3)
            before = loop.turn_count
            await asyncio.sleep(0.02)
            assert loop.turn_count - before < 5

    reports.clear()


@pytest.mark.parametrize("end", ["server_closed", "new_server", "handler_closes_server"])
async def test_servers_may_come_and_go_during_the_rest(clock, reports, end):
    loop = asyncio.get_running_loop()
    factory = Factory()
    server = await loop.create_server(factory, LOOPBACK, 0)
    if end == "handler_closes_server":
        loop.set_exception_handler(lambda loop, context: server.close())
    with contextlib.ExitStack() as stack:
        connect_all(stack, address_of(server), 1)
        with no_fds_left():
            await turns(3)
        if end != "new_server":
            server.close()
        newer = await loop.create_server(factory, LOOPBACK, 0)
        connect_all(stack, address_of(newer), 1)
        await turns(3)
        resting = len(factory.made)

        clock.now += 1.001
        await turns(5)

        assert (resting, len(factory.made)) == (0, 2 if end == "new_server" else 1)
        await close_all(factory)
        server.close()
        newer.close()
    reports.clear()


def test_loop_may_be_closed_during_the_rest(loop, reports):
    server = loop.run_until_complete(loop.create_server(Factory(), LOOPBACK, 0))
    with contextlib.ExitStack() as stack:
        connect_all(stack, address_of(server), 1)
        with no_fds_left():
            loop.run_until_complete(turns(3))
        loop.close()
        server.close()
    reports.clear()


def test_exception_handler_that_exits_does_not_end_the_accepting(loop, reports):
    def leave(loop, context):
        raise SystemExit

    factory = Factory()
    server = loop.run_until_complete(loop.create_server(factory, LOOPBACK, 0))
    loop.set_exception_handler(leave)
    loop.time = clock = Clock()
    with contextlib.ExitStack() as stack:
        connect_all(stack, address_of(server), 1)
        with no_fds_left(), pytest.raises(SystemExit):
            loop.run_forever()

        clock.now += 1.001
        loop.run_until_complete(turns(3))

        assert len(factory.made) == 1
        loop.run_until_complete(close_all(factory))
    server.close()
    loop.run_until_complete(server.wait_closed())
