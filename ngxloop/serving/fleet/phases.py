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
    STOP_WORKERS = enum.auto()  # an order, or --reload and a first generation that failed
    DELAY = enum.auto()  # an order to end, with a delay
    DRAIN = enum.auto()  # an order to end, the end of the delay, or a first generation that failed
    STOP = enum.auto()  # an order
    EMPTY = enum.auto()  # the last process has ended


PHASES: dict[tuple[Phase, Change], Phase] = {
    (Phase.STARTING, Change.SERVE): Phase.SERVING,
    (Phase.STARTING, Change.STOP_WORKERS): Phase.RESTING,
    (Phase.STARTING, Change.DRAIN): Phase.DRAINING,
    (Phase.STARTING, Change.STOP): Phase.STOPPING,
    (Phase.SERVING, Change.STOP_WORKERS): Phase.RESTING,
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
    STARTING = enum.auto()  # its workers start
    SERVING = enum.auto()
    DRAINING = enum.auto()  # its workers drain


class Move(enum.Enum):
    """What moves a generation on."""

    LOAD = enum.auto()
    START = enum.auto()
    SERVE = enum.auto()
    DRAIN = enum.auto()


STAGES: dict[tuple[Stage, Move], Stage] = {
    (Stage.PREPARING, Move.LOAD): Stage.LOADING,
    (Stage.PREPARING, Move.START): Stage.STARTING,
    (Stage.PREPARING, Move.DRAIN): Stage.DRAINING,
    (Stage.LOADING, Move.START): Stage.STARTING,
    (Stage.LOADING, Move.DRAIN): Stage.DRAINING,
    (Stage.STARTING, Move.SERVE): Stage.SERVING,
    (Stage.STARTING, Move.DRAIN): Stage.DRAINING,
    (Stage.SERVING, Move.DRAIN): Stage.DRAINING,
}
