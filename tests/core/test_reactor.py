"""Reactor: the order of a turn, its batches, and what ends a run."""

import asyncio
import threading
import time

import pytest

from ngxloop import EventLoop
from tests.probes.event import PythonEvent
from tests.probes.reactor import ReactorProbe
from tests.probes.recording_gate import RecordingGate
from tests.support.leaks import open_fds
from tests.support.loops import run_turns

# ---- the order of a turn


def test_turn_runs_its_phases_in_order(loop, pair):
    ours, peer = pair
    gate = RecordingGate()
    log = gate.calls
    loop.set_accept_gate(gate)
    accept, flush = (
        PythonEvent(lambda name=name: log.append(name)) for name in ("accept", "flush")
    )
    loop.add_reader(ours, log.append, "readable")
    peer.send(b"x")

    loop.call_later(0, log.append, "timer")
    loop.call_soon(lambda: (log.append("ready"), flush.post_flush(loop)))
    accept.post_accept(loop)
    run_turns(loop, 1)

    assert log == [
        "before a look",
        "accept",
        "after accepts",
        "ready",
        "readable",
        "timer",
        "flush",
    ]


def test_gate_is_told_when_the_loop_may_wait(loop):
    gate = RecordingGate()
    loop.set_accept_gate(gate)
    loop.call_later(0.001, loop.stop)

    loop.run_forever()

    assert gate.calls[0] == "before a wait that may block"


def test_gate_bounds_the_wait(loop):
    gate = RecordingGate(limit_ns=1_000_000)
    loop.set_accept_gate(gate)
    deadline = loop.call_later(30, loop.stop)
    stopper = threading.Thread(target=stop_after_turns, args=(loop, 10))

    loop.call_soon(stopper.start)
    loop.run_forever()

    assert loop.turn_count > 10
    assert loop.time() < deadline.when()
    stopper.join()


def stop_after_turns(loop, count):
    """Stop a loop that turns by itself; a thread of its own runs this."""
    while loop.turn_count <= count and loop.is_running():
        time.sleep(0.001)
    loop.call_soon_threadsafe(loop.stop)


def test_accepts_posted_by_an_accept_run_in_the_same_turn(loop):
    seen = []
    second = PythonEvent(lambda: seen.append("second"))

    def run_first():
        seen.append("first")
        second.post_accept(loop)

    first = PythonEvent(run_first)
    first.post_accept(loop)
    loop.call_soon(seen.append, "ready")

    run_turns(loop, 1)

    assert seen == ["first", "second", "ready"]


def test_flushes_posted_by_a_flush_run_in_the_same_turn(loop):
    seen = []
    second = PythonEvent(lambda: seen.append("second"))
    first = PythonEvent(lambda: second.post_flush(loop))
    loop.call_soon(first.post_flush, loop)

    run_turns(loop, 1)

    assert seen == ["second"]


# ---- batches


def test_batch_is_what_stood_there_when_it_began(loop):
    turns = []

    def note(depth):
        turns.append((depth, loop.turn_count))
        if depth < 3:
            loop.call_soon(note, depth + 1)
            loop.call_soon(note, depth + 1)

    loop.call_soon(note, 1)
    run_turns(loop, 3)

    assert turns == [(1, 1), *[(2, 2)] * 2, *[(3, 3)] * 4]


def test_event_posted_again_in_its_batch_runs_in_the_next(loop):
    turns = []

    def run():
        turns.append(loop.turn_count)
        event.post(loop)
        event.post(loop)  # a second time changes nothing

    event = PythonEvent(run)
    event.post(loop)

    run_turns(loop, 3)

    assert turns == [1, 2, 3]
    event.unpost()


def test_event_unposted_by_one_before_it_does_not_run(loop):
    seen = []
    event = PythonEvent(lambda: seen.append("ran"))
    loop.call_soon(event.unpost)
    event.post(loop)

    run_turns(loop, 1)

    assert seen == []
    assert not event.posted


# ---- what ends a run


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
def test_batch_interrupted_goes_on_first_thing_in_the_next_run(loop, exception, debug):
    def interrupt():
        loop.call_soon(seen.append, "new")
        raise exception

    loop.set_debug(debug)
    seen = []
    for each in (lambda: seen.append("before"), interrupt, lambda: seen.append("after")):
        loop.call_soon(each)
    with pytest.raises(exception):
        loop.run_forever()
    assert seen == ["before"]

    run_turns(loop, 1)

    assert seen == ["before", "after", "new"]


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("post", ["post", "post_accept", "post_flush"])
def test_event_that_raises_ends_the_run_and_is_out_of_its_queue(loop, exception, post):
    def fail():
        raise exception

    event = PythonEvent(fail)
    getattr(event, post)(loop)
    loop.call_soon(loop.stop)

    with pytest.raises(exception):
        loop.run_forever()

    assert not event.posted
    run_turns(loop, 1)


def test_every_interrupt_of_a_batch_ends_one_run(loop):
    def interrupt():
        raise KeyboardInterrupt

    for _ in range(3):
        loop.call_soon(interrupt)

    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            loop.run_forever()

    run_turns(loop, 1)


def test_what_was_written_before_an_exit_is_sent(loop, pair):
    ours, peer = pair
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=ours))
    loop.call_soon(transport.write, b"written")
    loop.call_soon(exit)

    with pytest.raises(SystemExit):
        loop.run_forever()

    assert peer.recv(100) == b"written"
    transport.abort()
    run_turns(loop, 2)


# ---- polls


def test_turns_with_nothing_watched_do_not_poll(loop):
    run_turns(loop, 1)
    before = loop.poll_count

    run_turns(loop, 50)

    assert loop.poll_count == before


def test_every_turn_polls_while_an_fd_is_watched(loop, pair):
    loop.add_reader(pair[0], print)
    run_turns(loop, 1)
    before = loop.poll_count

    run_turns(loop, 50)
    loop.remove_reader(pair[0])
    run_turns(loop, 50)

    assert loop.poll_count - before == 50


def test_every_turn_polls_while_a_signal_handler_is_installed(loop):
    loop.add_signal_handler(15, print)
    before = loop.poll_count

    run_turns(loop, 50)
    loop.remove_signal_handler(15)
    run_turns(loop, 50)

    assert loop.poll_count - before == 50


def test_sleeping_loop_polls_once(loop):
    loop.call_later(0.01, loop.stop)

    loop.run_forever()

    assert loop.poll_count == 1


# ---- kernel events


def test_slow_callbacks_timers_and_connections_are_reported(loop, pair, caplog):
    class Closing(asyncio.Protocol):
        def data_received(self, data):
            transport.abort()

    ours, peer = pair
    loop.set_debug(True)
    transport, _ = loop.run_until_complete(loop.create_connection(Closing, sock=ours))
    loop.slow_callback_duration = 0
    loop.call_soon(int)
    loop.call_later(0, float)
    peer.send(b"x")

    with caplog.at_level("WARNING", "asyncio"):
        run_turns(loop, 3)  # the connection's slot is given back meanwhile

    texts = [record.getMessage() for record in caplog.records]
    for name in ("<Handle int()", "<TimerHandle", "<ngxloop.StreamTransport closing"):
        assert any(text.startswith(f"Executing {name}") for text in texts), (name, texts)
    assert all(" took 0.0" in text for text in texts)


def test_current_handle_is_known_while_it_runs_in_debug_mode(loop):
    seen = []
    loop.set_debug(True)
    handle = loop.call_soon(lambda: seen.append(loop._current_handle))
    run_turns(loop, 1)

    assert seen == [handle]
    assert loop._current_handle is None


# ---- the loop's own fds


def test_loop_owns_epoll_and_wake_up_fds_and_closes_them():
    before = open_fds()
    loop = EventLoop()
    probe = ReactorProbe(loop)
    assert set(open_fds()) - set(before) == {probe.epoll_fd, probe.event_fd}

    loop.close()

    assert open_fds() == before


def test_receive_buffer_is_made_with_the_first_receive(loop, probe, pair):
    ours, peer = pair
    run_turns(loop, 1)
    before = probe.has_receive_buffer
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=ours))
    connected = probe.has_receive_buffer

    peer.send(b"x")
    run_turns(loop, 2)

    assert (before, connected, probe.has_receive_buffer) == (False, False, True)
    transport.abort()
    run_turns(loop, 2)


def test_gate_belongs_to_one_loop(loop):
    gate = RecordingGate()
    loop.set_accept_gate(gate)

    with pytest.raises(RuntimeError, match="belongs to another loop"):
        loop.set_accept_gate(gate)
