"""The state table of a worker has no hole."""

import pytest

from ngxloop.serving.base.states import LIVE, TRANSITIONS, Event, State, next_state


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ([Event.SPAWN, Event.READY, Event.DRAIN, Event.EXIT], State.DEAD),
        ([Event.SPAWN, Event.READY, Event.STOP], State.STOPPING),
        ([Event.SPAWN, Event.READY, Event.DRAIN, Event.STOP], State.STOPPING),
        ([Event.SPAWN, Event.DRAIN], State.DRAINING),
        ([Event.SPAWN, Event.DRAIN, Event.READY], State.DRAINING),
        ([Event.SPAWN, Event.EXIT, Event.WAIT, Event.SPAWN], State.STARTING),
        ([Event.WAIT, Event.DRAIN], State.DEAD),
        ([Event.WAIT, Event.STOP], State.DEAD),
        ([Event.SPAWN, Event.STOP, Event.READY], State.STOPPING),
        ([Event.SPAWN, Event.READY, Event.DRAIN, Event.DRAIN], State.DRAINING),
    ],
    ids=lambda value: "-".join(event.name for event in value) if isinstance(value, list) else None,
)
def test_events_lead_to_a_state(events, end):
    state = State.DEAD
    for event in events:
        state = next_state(state, event)
    assert state is end


def test_process_can_end_in_every_state_in_which_there_is_one():
    for state in LIVE:
        assert next_state(state, Event.EXIT) is State.DEAD


def test_process_is_made_only_where_there_is_none():
    spawns = {state for state, event in TRANSITIONS if event is Event.SPAWN}
    assert spawns == set(State) - LIVE


def test_stop_ends_every_state_in_which_something_runs_or_waits():
    for state in set(State) - {State.DEAD, State.STOPPING}:
        assert (state, Event.STOP) in TRANSITIONS
