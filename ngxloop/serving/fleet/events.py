"""What the machine is told. Those of a worker name it; one that is not known any more is ignored.

An order can carry the number of a request, 0 for none: what becomes of it is answered by the action
Reply.
"""

import dataclasses

from ngxloop.serving.base.errors import StartError
from ngxloop.serving.fleet.actions import Action, WorkerOrder
from ngxloop.serving.fleet.names import WorkerId
from ngxloop.serving.fleet.settings import Settings


@dataclasses.dataclass(frozen=True, slots=True)
class Event:
    """Something that has happened."""


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerEvent(Event):
    """Something that has happened to one worker."""

    worker: WorkerId


@dataclasses.dataclass(frozen=True, slots=True)
class OrderEvent(Event):
    """Somebody wants something."""

    request: int = 0


# Of one worker -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Spawned(WorkerEvent):
    """There is a process."""


@dataclasses.dataclass(frozen=True, slots=True)
class SpawnFailed(WorkerEvent):
    """There is none."""

    reason: str
    is_explained: bool = True  # False: the log already has the traceback


@dataclasses.dataclass(frozen=True, slots=True)
class Ready(WorkerEvent):
    """It serves."""


@dataclasses.dataclass(frozen=True, slots=True)
class Draining(WorkerEvent):
    """It accepts no more connections."""


@dataclasses.dataclass(frozen=True, slots=True)
class Failed(WorkerEvent):
    """It could not start, and said why."""

    error: StartError


@dataclasses.dataclass(frozen=True, slots=True)
class MaxRequestsReached(WorkerEvent):
    """It has served as many requests as it may."""


@dataclasses.dataclass(frozen=True, slots=True)
class RssExceeded(WorkerEvent):
    """It uses more memory than it may; both in MiB."""

    size: float
    limit: float


@dataclasses.dataclass(frozen=True, slots=True)
class OrderLost(WorkerEvent):
    """It does not read its channel, which is full: it did not get an order."""

    order: WorkerOrder


@dataclasses.dataclass(frozen=True, slots=True)
class Malformed(WorkerEvent):
    """It has sent an invalid message."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Beat(WorkerEvent):
    """The scoreboard was read."""

    turns: int  # of its loop, so far
    silence: float  # for how long the loop has not turned


@dataclasses.dataclass(frozen=True, slots=True)
class Exited(WorkerEvent):
    """Its process has ended."""

    code: int | None  # below 0 for a signal; None: it was reaped by other code in this process
    reason: str  # the same in words
    pid: int = 0  # which it had, for hooks


# Of a generation -----------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class ZygoteReady(Event):
    """The application of a generation is loaded."""

    generation: int


@dataclasses.dataclass(frozen=True, slots=True)
class ZygoteFailed(Event):
    """It cannot be loaded."""

    generation: int
    error: StartError


@dataclasses.dataclass(frozen=True, slots=True)
class ReloadPrepared(Event):
    """The configuration of a generation is read, its sockets are open."""

    generation: int
    settings: Settings
    count: int  # of workers


@dataclasses.dataclass(frozen=True, slots=True)
class ReloadRefused(Event):
    """It cannot be used; nothing is open."""

    generation: int
    error: StartError


@dataclasses.dataclass(frozen=True, slots=True)
class ListenersClosed(Event):
    """A worker has shut listening sockets down."""

    addresses: str


# Of the master -------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Start(Event):
    """The first generation can be started."""

    settings: Settings
    count: int  # of workers


@dataclasses.dataclass(frozen=True, slots=True)
class Tick(Event):
    """Time has passed."""


@dataclasses.dataclass(frozen=True, slots=True)
class ActionFailed(Event):
    """An action raised."""

    action: Action


@dataclasses.dataclass(frozen=True, slots=True)
class FileWatcherGone(Event):
    """The process that looks for changed files has ended."""

    error: StartError


@dataclasses.dataclass(frozen=True, slots=True)
class OldMasterGone(Event):
    """The master that has started this one has ended."""

    pid: int


@dataclasses.dataclass(frozen=True, slots=True)
class NewMasterStarted(Event):
    """A new master runs."""

    pid: int


@dataclasses.dataclass(frozen=True, slots=True)
class NewMasterFailed(Event):
    """It could not be started."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class NewMasterReady(Event):
    """It serves."""


@dataclasses.dataclass(frozen=True, slots=True)
class NewMasterEnding(Event):
    """It has begun to end, and serves no longer."""


@dataclasses.dataclass(frozen=True, slots=True)
class NewMasterGone(Event):
    """It has ended."""

    code: int


# Orders --------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Quit(OrderEvent):
    """Drain, then end; at once if told again."""


@dataclasses.dataclass(frozen=True, slots=True)
class Stop(OrderEvent):
    """End at once."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reload(OrderEvent):
    """Start a new generation, with the configuration as it is now."""


@dataclasses.dataclass(frozen=True, slots=True)
class Reopen(OrderEvent):
    """Open the log files again."""


@dataclasses.dataclass(frozen=True, slots=True)
class StopWorkers(OrderEvent):
    """Drain the workers; the sockets stay open."""


@dataclasses.dataclass(frozen=True, slots=True)
class Upgrade(OrderEvent):
    """Start a new master on the same sockets."""

    problem: str = ""  # why the executor cannot start one


@dataclasses.dataclass(frozen=True, slots=True)
class Scale(OrderEvent):
    """Have another number of workers."""

    count: int = 1


@dataclasses.dataclass(frozen=True, slots=True)
class AddWorker(OrderEvent):
    """Have one worker more."""


@dataclasses.dataclass(frozen=True, slots=True)
class RemoveWorker(OrderEvent):
    """Have one worker less."""
