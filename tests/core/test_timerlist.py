"""_scheduled of a loop, where only ngxloop's own could go wrong: a timer waits in one place."""

import asyncio
import gc
import heapq

import pytest

import ngxloop
from ngxloop.core.timerlist import TimerList
from tests.core.conftest import make_loop
from tests.support.loops import run_turns


@pytest.mark.parametrize("debug", [False, True])
def test_a_timer_may_be_armed_again_by_its_own_callback(loop, debug):
    loop.set_debug(debug)
    seen = []

    def again():
        seen.append(len(seen))
        if len(seen) < 3:
            loop._scheduled = [timer]

    timer = loop.call_later(0, again)
    run_turns(loop, 5)

    assert seen == [0, 1, 2]
    assert not loop._scheduled


@pytest.mark.parametrize("debug", [False, True])
def test_a_timer_that_is_due_stays_in_the_ready_queue(loop, debug):
    loop.set_debug(debug)
    seen = []
    loop.call_later(0, lambda: setattr(loop, "_scheduled", [timer]))
    timer = loop.call_later(0, seen.append, "timer")
    run_turns(loop, 3)

    assert seen == ["timer"]
    assert not loop._scheduled


@pytest.mark.parametrize(
    "change",
    [
        lambda timers: timers.reverse(),
        lambda timers: timers.sort(reverse=True),
        lambda timers: timers.sort(key=id),
        lambda timers: timers.__setitem__(0, timers[1]),
        lambda timers: timers.__imul__(2),
    ],
    ids=["reverse", "sort_reverse", "sort_key", "one_place", "multiply"],
)
def test_what_would_lose_or_repeat_a_timer_is_refused(loop, change):
    timers = [loop.call_later(number, print) for number in (10, 20)]

    with pytest.raises(TypeError):
        change(loop._scheduled)

    assert loop._scheduled == timers


@pytest.mark.parametrize("put", [TimerList.append, heapq.heappush], ids=["list", "heapq"])
def test_a_timer_that_has_run_is_refused(loop, put):
    timer = loop.call_later(0, int)
    while loop._scheduled:
        run_turns(loop, 1)

    def put_and_run():
        put(loop._scheduled, timer)
        run_turns(loop, 1)

    with pytest.raises(RuntimeError, match="the timer has run"):
        put_and_run()

    run_turns(loop, 1)


@pytest.mark.parametrize("taken", [False, True], ids=["waits", "taken"])
def test_a_timer_of_another_loop_is_refused(loop, taken):
    other = make_loop()
    try:
        timer = other.call_later(0.001, other.stop)
        if taken:
            assert other._scheduled.pop() is timer
        with pytest.raises(ValueError, match="another loop's"):
            loop._scheduled.append(timer)
        assert not loop._scheduled
        other._scheduled.append(timer)
        other.run_forever()
    finally:
        other.close()


def test_a_timer_that_waits_already_fires_once(loop):
    seen = []
    timer = loop.call_later(0.001, seen.append, "fired")
    heapq.heappush(loop._scheduled, timer)
    loop._scheduled.append(timer)
    loop.call_later(0.002, loop.stop)

    loop.run_forever()

    assert seen == ["fired"]


def test_a_closed_loop_takes_no_timer(loop):
    timer = asyncio.TimerHandle(loop.time(), print, (), loop)
    loop.close()

    with pytest.raises(RuntimeError, match="closed"):
        loop._scheduled.append(timer)


def test_a_call_at_of_the_program_may_push_timers_of_its_own():
    class Loop(ngxloop.EventLoop):
        def call_at(self, when, callback, *args, context=None):
            timer = asyncio.TimerHandle(when, callback, args, self, context)
            heapq.heappush(self._scheduled, timer)
            timer._scheduled = True
            return timer

    loop = Loop()
    seen = []
    try:
        loop.call_later(0.001, seen.append, "first")
        loop.call_later(0.001, seen.append, "cancelled").cancel()
        loop.run_until_complete(asyncio.sleep(0.002))
    finally:
        loop.close()

    assert seen == ["first"]


def test_a_list_that_nobody_keeps_costs_the_turns_nothing(loop):
    def kept():
        return any(type(found) is TimerList for found in gc.get_objects())

    loop._scheduled.clear()
    assert kept()

    run_turns(loop, 1)

    assert not kept()


def test_a_collector_that_turns_the_loop_while_a_timer_is_armed_loses_none(loop):
    """Making the loop's own timer for the program's may run a finalizer, which may do anything."""
    seen = []

    class Turning:
        def __del__(self):
            heapq.heappush(loop._scheduled, asyncio.TimerHandle(0, seen.append, (2,), loop))
            len(loop._scheduled)

    class Deadline(asyncio.TimerHandle):
        def when(self):
            Turning()
            return super().when()

    heapq.heappush(loop._scheduled, Deadline(0, seen.append, (1,), loop))
    loop._scheduled.append(asyncio.TimerHandle(0, seen.append, (3,), loop))
    run_turns(loop, 2)

    assert sorted(seen) == [1, 2, 3]
