"""TimerHandle: deadlines beyond all bounds, lifetimes, cancelling in every state."""

import math

import pytest

PAST = {"-inf": -math.inf, "-1e300": -1e300, "nan": math.nan, "-1e10": -1e10, "0": 0.0, "-1": -1.0}


@pytest.mark.parametrize("when", PAST.values(), ids=PAST)
def test_call_at_with_time_in_the_past_runs_in_the_next_turn(loop, when):
    loop.call_at(when, loop.stop)

    loop.run_forever()

    assert loop.turn_count == 1


@pytest.mark.parametrize("when", [math.inf, 1e300, 1e10], ids=["inf", "1e300", "1e10"])
def test_call_at_with_time_beyond_the_clock_waits(loop, when):
    loop.call_at(when, pytest.fail, "a timer of the far future ran")
    loop.call_later(0.001, loop.stop)

    loop.run_forever()


@pytest.mark.parametrize("now", [-1e9, -1e300, -math.inf])
def test_timer_on_a_clock_before_zero_is_not_due(loop, now):
    loop.time = lambda: now
    loop.call_at(math.inf, pytest.fail, "a timer of the far future ran")
    loop.call_soon(loop.call_soon, loop.stop)

    loop.run_forever()
