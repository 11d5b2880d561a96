"""The life of the master and of a generation, as tables; that of a worker is in states.py.

What has no row for a state does not change it.
"""

import enum


class Phase(enum.Enum):
    """Where the master is."""

    STARTING = enum.auto()  # no generation was ready yet
    SERVING = enum.auto()  # a generation serves; another one may be coming
    RESTING = enum.auto()  # no workers; the sockets are open
    DELAYING = enum.auto()  # told to end; the workers accept for --drain-delay
    DRAINING = enum.auto()  # the workers finish what they have
    STOPPING = enum.auto()  # the workers end now
    OVER = enum.auto()  # no process is left


class Change(enum.Enum):
    """What moves the master on."""

    SERVE = enum.auto()  # all workers of a generation are ready
    REST = enum.auto()  # an order, or --reload and a first generation that failed
    DELAY = enum.auto()  # an order to end, with a delay
    DRAIN = enum.auto()  # an order to end, the end of the delay, or a first generation that failed
    STOP = enum.auto()  # an order
    EMPTY = enum.auto()  # the last process has ended


PHASES: dict[tuple[Phase, Change], Phase] = {
    (Phase.STARTING, Change.SERVE): Phase.SERVING,
    (Phase.STARTING, Change.REST): Phase.RESTING,
    (Phase.STARTING, Change.DRAIN): Phase.DRAINING,
    (Phase.STARTING, Change.STOP): Phase.STOPPING,
    (Phase.SERVING, Change.REST): Phase.RESTING,
    (Phase.SERVING, Change.DELAY): Phase.DELAYING,
    (Phase.SERVING, Change.DRAIN): Phase.DRAINING,
    (Phase.SERVING, Change.STOP): Phase.STOPPING,
    (Phase.RESTING, Change.SERVE): Phase.SERVING,
    (Phase.RESTING, Change.DRAIN): Phase.DRAINING,
    (Phase.RESTING, Change.STOP): Phase.STOPPING,
    (Phase.DELAYING, Change.DRAIN): Phase.DRAINING,
    (Phase.DELAYING, Change.STOP): Phase.STOPPING,
    (Phase.DRAINING, Change.STOP): Phase.STOPPING,
    (Phase.DRAINING, Change.EMPTY): Phase.OVER,
    (Phase.STOPPING, Change.EMPTY): Phase.OVER,
}

# Told to end: nothing is begun any more.
ENDING = (Phase.DELAYING, Phase.DRAINING, Phase.STOPPING, Phase.OVER)
# No worker is to accept any more.
LEAVING = (Phase.DRAINING, Phase.STOPPING, Phase.OVER)


class Stage(enum.Enum):
    """Where a generation is."""

    PREPARING = enum.auto()  # its configuration is read, its sockets are opened
    LOADING = enum.auto()  # --preload: a process loads its application
    FILLING = enum.auto()  # its workers start
    SERVING = enum.auto()
    RETIRED = enum.auto()  # its workers drain


class Move(enum.Enum):
    """What moves a generation on."""

    LOAD = enum.auto()
    FILL = enum.auto()
    SERVE = enum.auto()
    RETIRE = enum.auto()


STAGES: dict[tuple[Stage, Move], Stage] = {
    (Stage.PREPARING, Move.LOAD): Stage.LOADING,
    (Stage.PREPARING, Move.FILL): Stage.FILLING,
    (Stage.PREPARING, Move.RETIRE): Stage.RETIRED,
    (Stage.LOADING, Move.FILL): Stage.FILLING,
    (Stage.LOADING, Move.RETIRE): Stage.RETIRED,
    (Stage.FILLING, Move.SERVE): Stage.SERVING,
    (Stage.FILLING, Move.RETIRE): Stage.RETIRED,
    (Stage.SERVING, Move.RETIRE): Stage.RETIRED,
}
