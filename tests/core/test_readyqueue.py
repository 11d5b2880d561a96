"""_ready of a loop, where only ngxloop's own could go wrong."""

import pytest

import ngxloop
from tests.support.loops import run_turns
from tests.support.sockets import unix_pair
from tests.support.waiting import DEADLINE


@pytest.mark.parametrize("answer", [None, "no handle"])
def test_a_foreign_handle_does_not_depend_on_an_overridden_call_soon(answer):
    class Loop(ngxloop.EventLoop):
        def call_soon(self, *args, **options):
            super().call_soon(*args, **options)
            return answer

    class Foreign:
        _cancelled = False

        def _run(self):
            seen.append("foreign")

    seen = []
    loop = Loop()
    try:
        loop.call_soon(seen.append, "own")
        loop._ready.appendleft(Foreign())
        loop._ready.append(Foreign())
        run_turns(loop, 1)
    finally:
        loop.close()

    assert seen == ["foreign", "own", "foreign"]


def test_a_handle_that_has_run_is_refused(loop):
    handle = loop.call_soon(int)
    run_turns(loop, 1)

    with pytest.raises(RuntimeError, match="the handle has run"):
        loop._ready.append(handle)

    assert not loop._ready


def test_a_single_place_cannot_be_assigned(loop):
    handles = [loop.call_soon(print) for _ in range(2)]

    with pytest.raises(TypeError):
        loop._ready[0], loop._ready[1] = loop._ready[1], loop._ready[0]

    assert list(loop._ready) == handles
    loop._ready.clear()


def test_the_events_of_connections_keep_their_place_in_a_change(loop):
    seen = []
    with unix_pair() as (ours, peer):
        loop.add_reader(ours, lambda: seen.append(ours.recv(10)))
        loop.call_soon(seen.append, "first")
        peer.send(b"data")
        loop._selector.select(DEADLINE)
        loop.call_soon(seen.append, "last")
        loop._ready.rotate(1)
        run_turns(loop, 1)
        loop.remove_reader(ours)

    assert seen == ["last", "first", b"data"]
