"""The state table of a worker has no hole."""

import pytest

from ngxloop.serving.base.states import LIVE, TRANSITIONS, State, WorkerTransition, next_state


@pytest.mark.parametrize(
    ("events", "end"),
    [
        (
            [
                WorkerTransition.SPAWN,
                WorkerTransition.READY,
                WorkerTransition.DRAIN,
                WorkerTransition.EXIT,
            ],
            State.DEAD,
        ),
        ([WorkerTransition.SPAWN, WorkerTransition.READY, WorkerTransition.STOP], State.STOPPING),
        (
            [
                WorkerTransition.SPAWN,
                WorkerTransition.READY,
                WorkerTransition.DRAIN,
                WorkerTransition.STOP,
            ],
            State.STOPPING,
        ),
        ([WorkerTransition.SPAWN, WorkerTransition.DRAIN], State.DRAINING),
        ([WorkerTransition.SPAWN, WorkerTransition.DRAIN, WorkerTransition.READY], State.DRAINING),
        (
            [
                WorkerTransition.SPAWN,
                WorkerTransition.EXIT,
                WorkerTransition.WAIT,
                WorkerTransition.SPAWN,
            ],
            State.STARTING,
        ),
        ([WorkerTransition.WAIT, WorkerTransition.DRAIN], State.DEAD),
        ([WorkerTransition.WAIT, WorkerTransition.STOP], State.DEAD),
        ([WorkerTransition.SPAWN, WorkerTransition.STOP, WorkerTransition.READY], State.STOPPING),
        (
            [
                WorkerTransition.SPAWN,
                WorkerTransition.READY,
                WorkerTransition.DRAIN,
                WorkerTransition.DRAIN,
            ],
            State.DRAINING,
        ),
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
        assert next_state(state, WorkerTransition.EXIT) is State.DEAD


def test_process_is_made_only_where_there_is_none():
    spawns = {state for state, event in TRANSITIONS if event is WorkerTransition.SPAWN}
    assert spawns == set(State) - LIVE


def test_stop_ends_every_state_in_which_something_runs_or_waits():
    for state in set(State) - {State.DEAD, State.STOPPING}:
        assert (state, WorkerTransition.STOP) in TRANSITIONS
