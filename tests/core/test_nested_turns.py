"""Turns inside a callback of another turn: what runs, in which order, and what stays whole."""

import asyncio
import gc
import signal
import threading
import weakref

import pytest

from tests.core.conftest import make_loop
from tests.support import loops
from tests.support.loops import run_turns
from tests.support.sockets import unix_pair
from tests.support.turning import turn_by_parts
from tests.support.waiting import DEADLINE

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


# ---- what surrounds the turns


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


def test_statistics_count_turns_made_of_parts(loop):
    before = loop.stats().turn_count
    loop.call_soon(int)
    turn_by_parts(loop)

    assert loop.stats().turn_count == before + 1
    assert loop.stats().skipped_poll_count >= 0
