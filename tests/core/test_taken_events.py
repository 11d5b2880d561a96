"""What was taken out of _ready of a loop: events of connections, and handles."""

import asyncio
import weakref

import pytest

from tests.support.loops import run_turns
from tests.support.waiting import DEADLINE


class Receiving(asyncio.Protocol):
    """A protocol that keeps what it receives."""

    def __init__(self):
        self.received = []
        self.lost = 0

    def data_received(self, data):
        self.received.append(data)

    def connection_lost(self, exc):
        self.lost += 1


def with_data(loop, ours, peer):
    """Return a transport with data that it has not been told of, and its protocol."""
    transport, protocol = loop.run_until_complete(loop.create_connection(Receiving, sock=ours))
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
