"""What is assigned to _scheduled of a loop, at moments when a timer is in other hands."""

import pytest

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
