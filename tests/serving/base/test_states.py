"""The state table of a worker has no hole."""

import pytest

from ngxloop.serving.base.states import LIVE, TRANSITIONS, State, WorkerTransition, next_state

SPAWN, READY, DRAIN, STOP, EXIT, WAIT = WorkerTransition


@pytest.mark.parametrize(
    ("events", "end"),
    [
        ([SPAWN, READY, DRAIN, EXIT], State.DEAD),
        ([SPAWN, READY, STOP], State.STOPPING),
        ([SPAWN, READY, DRAIN, STOP], State.STOPPING),
        ([SPAWN, DRAIN], State.DRAINING),
        ([SPAWN, DRAIN, READY], State.DRAINING),
        ([SPAWN, EXIT, WAIT, SPAWN], State.STARTING),
        ([WAIT, DRAIN], State.DEAD),
        ([WAIT, STOP], State.DEAD),
        ([SPAWN, STOP, READY], State.STOPPING),
        ([SPAWN, READY, DRAIN, DRAIN], State.DRAINING),
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
        assert next_state(state, EXIT) is State.DEAD


def test_process_is_made_only_where_there_is_none():
    spawns = {state for state, event in TRANSITIONS if event is SPAWN}
    assert spawns == set(State) - LIVE


def test_stop_ends_every_state_in_which_something_runs_or_waits():
    for state in set(State) - {State.DEAD, State.STOPPING}:
        assert (state, STOP) in TRANSITIONS
