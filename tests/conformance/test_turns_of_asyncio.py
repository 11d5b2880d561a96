"""asyncio's own _run_once() on a loop: packages have copies of it, or call it past an override."""

import asyncio
import heapq

import pytest

from tests.support.loops import run_turns
from tests.support.streams import one_exchange
from tests.support.turning import run_by_parts, turn_by_parts

turn = asyncio.BaseEventLoop._run_once


def run_one_turn(loop):
    run_turns(loop, 1)


def test_callbacks_and_timers_run_in_their_order(loop):
    seen = []
    loop.call_later(0.002, seen.append, "later")
    loop.call_later(0.001, seen.append, "timer")
    loop.call_later(0, seen.append, "cancelled").cancel()
    loop.call_soon(seen.append, "soon")
    while len(seen) < 3:
        turn(loop)

    assert seen == ["soon", "timer", "later"]
    assert not loop._scheduled


def test_streams_work(loop):
    assert run_by_parts(loop, one_exchange(b"line\n", bytes), turn) == b"line\n"


def test_a_timer_that_is_marked_as_not_scheduled_can_be_put_into_ready(loop):
    seen = []
    loop.call_later(60, seen.append, "timer")
    timer = heapq.heappop(loop._scheduled)
    timer._scheduled = False
    loop._ready.append(timer)
    turn(loop)

    assert seen == ["timer"]
    assert not timer._scheduled


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later"])
@pytest.mark.parametrize("run", [turn, turn_by_parts, run_one_turn])
def test_a_callback_may_put_its_own_handle_into_ready_again(loop, run, method, debug):
    loop.set_debug(debug)
    seen = []

    def again():
        seen.append(len(seen))
        if len(seen) < 3:
            loop._ready.append(handle)

    handle = getattr(loop, method)(*([0] if method == "call_later" else []), again)
    for _ in range(4):
        loop.call_soon(int)
        run(loop)

    assert seen == [0, 1, 2]
