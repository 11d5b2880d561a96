"""Turns inside a callback of another turn: what runs, in which order, and what stays whole."""

import asyncio
import contextlib
import gc
import os
import resource
import signal
import socket
import threading
import weakref

import pytest

from ngxloop.core.gates import make_gate
from ngxloop.core.scoreboard import Scoreboard
from tests.core.conftest import make_loop
from tests.probes.poller import IN
from tests.support import loops
from tests.support.loops import run_turns
from tests.support.sockets import LOOPBACK, unix_pair
from tests.support.turning import turn_by_parts
from tests.support.waiting import DEADLINE


@pytest.fixture(params=["_run_once", "parts"])
def turn(request, loop):
    """Give a function that takes one turn: by itself, or made of parts."""
    return loop._run_once if request.param == "_run_once" else lambda: turn_by_parts(loop)


# ---- order


def test_an_inner_turn_runs_what_the_outer_one_has_not(loop, turn):
    seen = []
    loop.call_soon(lambda: (seen.append("begin"), turn(), seen.append("end")))
    loop.call_soon(seen.append, "rest")
    loop.call_soon(lambda: loop.call_soon(seen.append, "next turn"))

    run_turns(loop, 1)
    assert seen == ["begin", "rest", "end"]

    run_turns(loop, 1)
    assert seen == ["begin", "rest", "end", "next turn"]


def test_turns_nest(loop, turn):
    seen = []

    def nest(depth):
        seen.append(depth)
        if depth < 5:
            loop.call_soon(nest, depth + 1)
            turn()
            seen.append(-depth)

    loop.call_soon(nest, 1)
    run_turns(loop, 1)

    assert seen == [1, 2, 3, 4, 5, -4, -3, -2, -1]


def test_endless_nesting_ends_with_an_error_and_the_loop_goes_on(loop, turn):
    def nest():
        loop.call_soon(nest)
        turn()

    handle = loop.call_soon(nest)
    run_turns(loop, 1)

    assert any(isinstance(report["exception"], RecursionError) for report in loops.reports)
    loops.reports.clear()
    loop._ready.clear()
    assert handle._callback is None
    assert loop.run_until_complete(asyncio.sleep(0, "goes on")) == "goes on"


def test_inner_turns_see_timers_and_other_threads(loop, turn):
    seen = []

    def nest():
        loop.call_later(0.001, seen.append, "timer")
        while not seen:
            turn()
        threading.Thread(target=loop.call_soon_threadsafe, args=(seen.append, "thread")).start()
        while len(seen) < 2:
            turn()

    loop.call_soon(nest)
    run_turns(loop, 1)

    assert seen == ["timer", "thread"]


def test_stop_in_an_inner_turn_ends_the_outer_run(loop, turn):
    loop.call_soon(lambda: (loop.call_soon(loop.stop), turn()))
    guard = loop.call_later(DEADLINE, pytest.fail, "was not stopped")

    loop.run_forever()
    guard.cancel()


def test_an_exception_that_leaves_an_inner_turn_leaves_the_rest_to_the_outer(loop, turn):
    seen = []

    def leave():
        raise KeyboardInterrupt

    def nest():
        with pytest.raises(KeyboardInterrupt):
            turn()
        seen.append("caught")

    loop.call_soon(nest)
    loop.call_soon(leave)
    loop.call_soon(seen.append, "rest")
    run_turns(loop, 1)

    assert seen == ["caught", "rest"]


def test_a_handle_may_cancel_itself_and_then_turn_the_loop(loop, turn):
    seen = []

    def nest():
        handle.cancel()
        loop.call_soon(seen.append, "inner")
        turn()
        seen.append("end")

    handle = loop.call_soon(nest)
    run_turns(loop, 1)

    assert seen == ["inner", "end"]


def test_debug_mode_knows_the_outer_handle_after_an_inner_turn(loop):
    loop.set_debug(True)
    loop.slow_callback_duration = DEADLINE
    seen = []

    def nest():
        loop.call_soon(int)
        loop._run_once()
        seen.append(loop._current_handle)

    handle = loop.call_soon(nest)
    run_turns(loop, 1)

    assert seen == [handle]


# ---- connections


class Nesting(asyncio.Protocol):
    """A protocol that turns the loop in data_received() until the peer has been heard again."""

    def __init__(self, turn, peer):
        self.turn = turn
        self.peer = peer
        self.received = []
        self.lost = 0

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received.append(data)
        if data == b"question":
            self.peer.send(b"answer")
            while len(self.received) < 2:
                self.turn()
            self.received.append(b"end")
        elif data == b"close":
            self.transport.close()
            while not self.lost:
                self.turn()

    def connection_lost(self, exc):
        self.lost += 1


class NestingBuffered(Nesting, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        self.buffer = bytearray(100)
        return self.buffer

    def buffer_updated(self, count):
        self.data_received(bytes(self.buffer[:count]))


@pytest.mark.parametrize("protocol_class", [Nesting, NestingBuffered])
def test_a_protocol_may_wait_for_data_inside_data_received(loop, turn, pair, protocol_class):
    ours, peer = pair

    async def main():
        _, protocol = await loop.create_connection(lambda: protocol_class(turn, peer), sock=ours)
        peer.send(b"question")
        while len(protocol.received) < 3:
            await asyncio.sleep(0)
        return protocol

    # The task is not inside a step while the protocol turns the loop.
    protocol = loop.run_until_complete(main())
    assert protocol.received == [b"question", b"answer", b"end"]
    protocol.transport.abort()
    run_turns(loop, 2)


@pytest.mark.parametrize("protocol_class", [Nesting, NestingBuffered])
def test_a_connection_may_end_inside_data_received(loop, turn, pair, protocol_class):
    ours, peer = pair

    async def main():
        _, protocol = await loop.create_connection(lambda: protocol_class(turn, peer), sock=ours)
        peer.send(b"close")
        while not protocol.lost:
            await asyncio.sleep(0)
        return protocol

    protocol = loop.run_until_complete(main())
    run_turns(loop, 2)

    assert (protocol.received, protocol.lost) == ([b"close"], 1)


def test_a_slot_that_was_freed_inside_a_callback_serves_the_next_connection(loop, turn, probe):
    """The callback goes on after its connection's slot has another user."""
    with unix_pair() as (first, first_peer), unix_pair() as (second, second_peer):
        seen = []

        async def main():
            _, protocol = await loop.create_connection(
                lambda: Nesting(turn, first_peer), sock=first
            )
            first_peer.send(b"close")
            while not protocol.lost:
                await asyncio.sleep(0)
            transport, _ = await loop.create_connection(Receiving, sock=second)
            second_peer.send(b"data")
            while not seen:
                await asyncio.sleep(0)
            transport.abort()

        class Receiving(asyncio.Protocol):
            def data_received(self, data):
                seen.append(data)

        loop.run_until_complete(main())
        run_turns(loop, 2)
    assert seen == [b"data"]
    assert probe.used_count == 0


def with_data(loop, ours, peer):
    """Return a transport with data that it has not been told of, and its protocol."""
    transport, protocol = loop.run_until_complete(
        loop.create_connection(lambda: Nesting(None, None), sock=ours)
    )
    run_turns(loop, 1)
    peer.send(b"data")
    return transport, protocol


def test_an_event_that_was_taken_and_dropped_comes_back(loop, pair):
    transport, protocol = with_data(loop, *pair)
    loop._selector.select(DEADLINE)

    event = loop._ready.popleft()
    assert "StreamTransport" in repr(event)
    assert not loop._ready
    del event
    run_turns(loop, 1)

    assert protocol.received == [b"data"]
    transport.abort()
    run_turns(loop, 1)


def test_an_event_that_was_taken_does_nothing_once_its_connection_is_gone(loop, pair):
    transport, protocol = with_data(loop, *pair)
    loop._selector.select(DEADLINE)
    event = loop._ready.popleft()
    transport.abort()
    run_turns(loop, 2)
    assert protocol.lost == 1

    event._run()
    event._run()
    loop._ready.append(event)

    assert not loop._ready
    assert protocol.received == []


def test_clear_keeps_the_events_of_connections(loop, pair):
    transport, protocol = with_data(loop, *pair)
    loop.call_soon(pytest.fail, "was cleared")
    loop._selector.select(DEADLINE)
    loop._ready.clear()
    run_turns(loop, 1)

    assert protocol.received == [b"data"]
    transport.abort()
    run_turns(loop, 1)


def test_a_protocol_factory_may_turn_the_loop(loop, turn):
    accepted = []

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            accepted.append(transport)

    def factory():
        loop.call_soon(int)
        turn()
        return Server()

    server = loop.run_until_complete(loop.create_server(factory, LOOPBACK, 0))
    address = server.sockets[0].getsockname()
    clients = [socket.create_connection(address) for _ in range(5)]
    while len(accepted) < 5:
        loop._run_once()
    for each in (*clients, server):
        each.close()
    for transport in accepted:
        transport.abort()
    run_turns(loop, 2)


# ---- what surrounds the turns


def test_the_accept_mutex_is_free_after_a_turn_inside_an_accept(loop, turn):
    board = Scoreboard(1)
    board.claim(0, os.getpid())
    loop.set_accept_gate(make_gate("mutex", board, 0))
    seen = []

    def factory():
        loop.call_soon(int)
        turn()
        seen.append(board.mutex_pid)
        return asyncio.Protocol()

    server = loop.run_until_complete(loop.create_server(factory, LOOPBACK, 0))
    with socket.create_connection(server.sockets[0].getsockname()):
        loop.call_later(DEADLINE, int)
        while not seen:
            loop._run_once()
        assert seen == [0]
        assert board.mutex_pid == 0
    server.close()
    run_turns(loop, 2)


def test_no_event_is_lost_if_a_report_about_epoll_turns_the_loop(loop, probe, pair):
    """The inner turn's events would lie over those of the outer one."""
    ours, peer = pair
    seen = []
    loop.add_reader(ours, print)
    stale_key = probe.slot(ours.fileno()).key
    loop.remove_reader(ours)
    run_turns(loop, 1)
    loop.add_reader(ours, lambda: seen.append(ours.recv(10)))
    key = probe.slot(ours.fileno()).key
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(unix_pair()) for _ in range(3)]
        for other, other_peer in others:
            loop.add_reader(other, other.recv, 10)
            other_peer.send(b"other")
        peer.send(b"live")
        loop.remove_writer(ours)
        run_turns_on_report(loop)
        probe.dispatch([(stale_key, IN)])
        loop._selector.select(0)
        loop._ready.clear()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            probe.dispatch([(stale_key, IN), (key, IN)])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        run_turns(loop, 2)
        for other, _ in others:
            loop.remove_reader(other)
        loop.remove_reader(ours)

    assert seen == [b"live"]
    assert len(loops.reports) == 1
    loops.reports.clear()


def run_turns_on_report(loop):
    def handler(_loop, context):
        loops.reports.append(context)
        loop.call_soon(int)
        loop._run_once()

    loop.set_exception_handler(handler)


@pytest.mark.parametrize("busy_poll", [0.0, 0.1], ids=["asleep", "busy"])
def test_a_signal_s_handler_may_turn_the_loop_while_it_waits(loop, busy_poll):
    loop.set_busy_poll(busy_poll)
    seen = []

    def handler(_signum, _frame):
        loop.call_later(0.001, seen.append, "inner")
        while not seen:
            loop._run_once()

        def wake():
            loop.call_soon_threadsafe(loop.stop)

        threading.Timer(1.0, wake).start()  # when it has looked for long enough

    previous = signal.signal(signal.SIGALRM, handler)
    guard = loop.call_later(DEADLINE, pytest.fail, "was not woken")
    with unix_pair() as (wakeup, _):
        signal.set_wakeup_fd(wakeup.fileno())  # so the loop hears of signals by its own looks only
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.02)
            loop.run_forever()
        finally:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGALRM, previous)
    guard.cancel()
    assert seen == ["inner"]


def test_a_second_thread_cannot_turn_a_running_loop(loop, turn):
    errors = []

    def turn_it():
        try:
            turn()
        except RuntimeError as exc:
            errors.append(str(exc))
        loop.call_soon_threadsafe(loop.stop)

    loop.call_soon(threading.Thread(target=turn_it).start)
    loop.run_forever()

    assert errors == ["the event loop runs in another thread"]


def test_a_closed_loop_takes_no_turn(loop, turn):
    loop.close()

    with pytest.raises(RuntimeError, match="Event loop is closed"):
        turn()


def test_a_closed_loop_that_was_looked_into_is_freed_at_once():
    loop = make_loop()
    assert loop._selector.select(0) == list(loop._ready) == list(loop._scheduled) == []
    loop._selector.select = loop._selector.select
    gone = weakref.ref(loop)
    loop.close()
    gc.collect()
    gc.disable()
    try:
        del loop
        assert gone() is None
    finally:
        gc.enable()


def test_a_handle_that_was_taken_and_has_run_keeps_nothing(loop):
    class Held:
        pass

    held = Held()
    gone = weakref.ref(held)
    handle = loop.call_soon(lambda held: None, held)
    del held
    taken = loop._ready.popleft()
    taken._run()

    assert handle is taken
    assert gone() is None


def test_statistics_count_turns_made_of_parts(loop):
    before = loop.stats().turn_count
    loop.call_soon(int)
    turn_by_parts(loop)

    assert loop.stats().turn_count == before + 1
    assert loop.stats().skipped_poll_count >= 0
