"""The life of a worker as the master sees it: states, events, and what each event leads to.

One record stands for one place among the workers of a generation; the processes in it come and go.

    BACKOFF --spawn--> STARTING --ready--> READY --drain--> DRAINING --exit--> DEAD
                          |                  |                 ^ |
                          +------drain---------------------------+ |
                          +------stop--------+------stop-------+--> STOPPING --exit--> DEAD

A process can end in any state in which there is one. An event that has no row for a state does not
change it: a `ready` that was on its way while the master decided to drain or stop is no error.
"""

import enum

# What a shell shows for a program that Ctrl-C has ended: 128 + SIGINT.
INTERRUPTED = 130


class State(enum.Enum):
    """Where a worker is. The value is the code in the scoreboard (ngxloop.core.scoreboard)."""

    DEAD = 0  # no process, and none is planned
    STARTING = 1  # forked; imports the application, runs its start-up
    READY = 2  # accepts connections
    DRAINING = 3  # accepts nothing more, finishes what it has
    STOPPING = 4  # was told to end now; killed if it does not
    BACKOFF = 5  # no process; the next one is forked when the delay is over


class WorkerTransition(enum.Enum):
    """What happens to a worker."""

    SPAWN = enum.auto()  # the master forked a process
    READY = enum.auto()  # the worker said so, or
    DRAIN = enum.auto()  # the master asked for it, or the worker says that it has begun by itself
    STOP = enum.auto()  # the master does not wait any longer
    EXIT = enum.auto()  # the process was reaped
    WAIT = enum.auto()  # the master will fork again later


TRANSITIONS: dict[tuple[State, WorkerTransition], State] = {
    (State.DEAD, WorkerTransition.SPAWN): State.STARTING,
    (State.DEAD, WorkerTransition.WAIT): State.BACKOFF,
    (State.BACKOFF, WorkerTransition.SPAWN): State.STARTING,
    (State.BACKOFF, WorkerTransition.DRAIN): State.DEAD,
    (State.BACKOFF, WorkerTransition.STOP): State.DEAD,
    (State.STARTING, WorkerTransition.READY): State.READY,
    (
        State.STARTING,
        WorkerTransition.DRAIN,
    ): State.DRAINING,  # it may serve already: `ready` is on its way
    (State.STARTING, WorkerTransition.STOP): State.STOPPING,
    (State.STARTING, WorkerTransition.EXIT): State.DEAD,
    (State.READY, WorkerTransition.DRAIN): State.DRAINING,
    (State.READY, WorkerTransition.STOP): State.STOPPING,
    (State.READY, WorkerTransition.EXIT): State.DEAD,
    (State.DRAINING, WorkerTransition.STOP): State.STOPPING,
    (State.DRAINING, WorkerTransition.EXIT): State.DEAD,
    (State.STOPPING, WorkerTransition.EXIT): State.DEAD,
}

LIVE = frozenset({State.STARTING, State.READY, State.DRAINING, State.STOPPING})


def next_state(state: State, event: WorkerTransition) -> State:
    """Return the state that follows; the same one where the table has no row."""
    return TRANSITIONS.get((state, event), state)
