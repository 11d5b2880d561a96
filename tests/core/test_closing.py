"""Closing and dropping loops with everything open, scheduled and running."""

import asyncio
import gc
import sys
import weakref

import pytest

from ngxloop import EventLoop
from ngxloop.core.attributes import LoopAttributes
from tests.core.conftest import make_loop
from tests.probes.reactor import ReactorProbe
from tests.support.leaks import needs_block_count, open_fds
from tests.support.sockets import unix_pair


def test_loop_that_was_never_initialised_closes_its_fds_when_it_is_freed():
    before = open_fds()

    LoopAttributes()

    assert open_fds() == before


class Application(asyncio.Protocol):
    """Something with callbacks and protocols that knows the loop, and that the loop knows."""

    def __init__(self, loop: EventLoop) -> None:
        self.loop = loop
        self.handles = [
            loop.call_soon(self.callback, self),
            loop.call_soon_threadsafe(self.callback, self),
            loop.call_later(0, self.callback, self),
            loop.call_later(1000, self.callback, self),
        ]
        loop.set_exception_handler(self.callback)
        loop.application = self

    def callback(self, *args) -> None:
        pass

    def connection_made(self, transport):
        self.transport = transport


async def open_everything(application: Application, ours, peer) -> None:
    """Open one of each kind: a transport, a server, a watched fd, a signal handler, a task."""
    loop = application.loop
    await loop.create_connection(lambda: application, sock=ours)
    application.server = await loop.create_server(lambda: application, "127.0.0.1", 0)
    loop.add_reader(peer, application.callback, application)
    loop.add_writer(peer, application.callback, application)
    loop.add_signal_handler(15, application.callback, application)
    application.transport.write(bytes(1_000_000))


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_loop_closed_with_everything_open_frees_everything(debug):
    before = open_fds()
    with unix_pair() as (ours, peer):
        loop = make_loop()
        loop.set_debug(debug)
        application = Application(loop)
        loop.run_until_complete(open_everything(application, ours, peer))
        alive = [weakref.ref(each) for each in (loop, application, application.transport)]

        loop.close()
        del loop, application
        gc.collect()

        assert [ref() for ref in alive] == [None, None, None]
    assert open_fds() == before


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_loop_that_was_never_closed_closes_itself():
    before = open_fds()
    loop = make_loop()
    alive = weakref.ref(loop)
    loop.call_soon(loop.stop)
    loop.run_forever()

    del loop
    gc.collect()

    assert alive() is None
    assert open_fds() == before


@needs_block_count
def test_loops_come_and_go_without_growth():
    def use_loop() -> None:
        loop = EventLoop()
        with unix_pair() as (ours, _):
            loop.add_reader(ours, print)
            loop.call_later(100, print)
            loop.call_soon(loop.stop)
            loop.run_forever()
            loop.remove_reader(ours)
        loop.close()

    for _ in range(20):
        use_loop()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(100):
        use_loop()
    gc.collect()

    assert sys.getallocatedblocks() - before < 50


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_loop_closed_forgets_transports_servers_and_watchers():
    loop = make_loop()
    probe = ReactorProbe(loop)
    with unix_pair() as (ours, peer):
        application = Application(loop)
        loop.run_until_complete(open_everything(application, ours, peer))

        loop.close()

        assert probe.slots() == {}
        assert (probe.timer_count, probe.ready_count, probe.flush_count) == (0, 0, 0)
        application.server.close()
        assert loop.remove_reader(peer) is False
        del application, loop, probe
        gc.collect()


@pytest.mark.parametrize("scheduled_count", [0, 1, 1000])
def test_close_twice_and_stop_after_close_are_harmless(loop, scheduled_count):
    for _ in range(scheduled_count):
        loop.call_soon(print)
        loop.call_later(1, print)

    loop.close()
    loop.close()
    loop.stop()


@pytest.mark.parametrize("run", ["_run_once", "_run_turns"])
def test_closed_loop_run_by_hand_raises(loop, run):
    loop.close()

    with pytest.raises((OSError, RuntimeError)):
        getattr(loop, run)()
