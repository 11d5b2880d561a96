"""What the machine wants done. The executor does it in the order of the list, each behind a guard.

Spawn is followed by Spawned or SpawnFailed, PrepareConfig by ReloadPrepared or ReloadRefused,
StartZygote by ZygoteReady or ZygoteFailed, StartNewMaster by NewMasterStarted or NewMasterFailed;
Send by OrderLost if the worker's channel is full and no signal means the same; every worker that
was spawned by Exited, and that by Release. Other actions have no answer.
"""

import dataclasses
import enum

from ngxloop.serving.base.errors import StartError
from ngxloop.serving.fleet.names import WorkerId


class WorkerOrder(enum.Enum):
    """What a worker is told over its channel."""

    ACCEPT = "accept"  # take every connection that waits: nobody will accept after you
    DRAIN = "drain"
    STOP = "stop"
    REOPEN = "reopen"


class Notice(enum.Enum):
    """What the service manager is told."""

    RELOADING = "reloading"
    SERVING = "serving"
    ENDING = "ending"
    ALONE = "alone"  # the new master is gone, this one is the service again


@dataclasses.dataclass(frozen=True, slots=True)
class Action:
    """Something to do."""


# Workers -------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Spawn(Action):
    """Fork a worker."""

    worker: WorkerId
    generation: int
    number: int  # among the workers of its generation


@dataclasses.dataclass(frozen=True, slots=True)
class Send(Action):
    """Tell a worker something; a drain or a stop by TERM if its channel is full."""

    worker: WorkerId
    order: WorkerOrder
    seconds: float | None = None  # for a drain
    is_signalled: bool = False  # by TERM in any case: it may not read its channel yet


@dataclasses.dataclass(frozen=True, slots=True)
class Kill(Action):
    """End a process now."""

    worker: WorkerId


@dataclasses.dataclass(frozen=True, slots=True)
class DumpStacks(Action):
    """Have a process write the stacks of its threads."""

    worker: WorkerId


@dataclasses.dataclass(frozen=True, slots=True)
class Release(Action):
    """Forget a process that has ended; its slot is free."""

    worker: WorkerId


# Generations ---------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class StartZygote(Action):
    """Load the application once for a generation."""

    generation: int


@dataclasses.dataclass(frozen=True, slots=True)
class CloseZygotes(Action):
    """End the process that has loaded it; of all generations for None."""

    generation: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class PrepareConfig(Action):
    """Read the configuration for a generation and open its sockets."""

    generation: int
    count: int  # of the workers that are wanted now
    is_kept: bool  # use the same once more


@dataclasses.dataclass(frozen=True, slots=True)
class CloseListeners(Action):
    """Close the sockets of a generation, or those that SpreadReuseport has left over."""

    batch: int  # a generation, or below 0 that of a SpreadReuseport
    kept: frozenset[int] = frozenset()  # generations with which it may share sockets


@dataclasses.dataclass(frozen=True, slots=True)
class PrepareWorkers(Action):
    """Have what the workers of a generation need, before they are forked."""

    generation: int
    count: int  # of workers


@dataclasses.dataclass(frozen=True, slots=True)
class SpreadReuseport(Action):
    """Have as many sockets at each address of a generation as workers."""

    generation: int
    count: int
    batch: int  # of the sockets that are too many; they stay open until CloseListeners


@dataclasses.dataclass(frozen=True, slots=True)
class DropShared(Action):
    """Close the sockets of programs that no worker of this or a newer generation has asked for."""

    generation: int


@dataclasses.dataclass(frozen=True, slots=True)
class Serve(Action):
    """A generation serves: adopt its configuration, and say so."""

    generation: int
    is_first: bool


# The master ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class ReopenLogs(Action):
    """Open the log files of the master again."""


@dataclasses.dataclass(frozen=True, slots=True)
class StartNewMaster(Action):
    """Start a new master, and give it the names of this one."""


@dataclasses.dataclass(frozen=True, slots=True)
class SetReadiness(Action):
    """Answer for the service on the status page, or let the new master do that."""

    is_answering: bool


@dataclasses.dataclass(frozen=True, slots=True)
class RestoreNames(Action):
    """Take the names of the files back."""


@dataclasses.dataclass(frozen=True, slots=True)
class Notify(Action):
    """Tell the service manager."""

    notice: Notice


@dataclasses.dataclass(frozen=True, slots=True)
class CallHook(Action):
    """Call a function of the operator."""

    generation: int
    name: str
    arguments: tuple[object, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Reply(Action):
    """Answer a request."""

    request: int
    problem: str = ""  # why it was not done


@dataclasses.dataclass(frozen=True, slots=True)
class Log(Action):
    """Write a line."""

    level: str
    text: str
    arguments: tuple[object, ...] = ()  # WorkerName and ProcessId among them
    # The worker whose stacks stand above the line, if it has written them. StacksOf among the
    # arguments becomes a word about that.
    stacks: WorkerId | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Report(Action):
    """Log an error with the traceback of the application."""

    error: StartError


@dataclasses.dataclass(frozen=True, slots=True)
class Fail(Action):
    """The master ends with this error."""

    error: StartError
    is_last: bool = False  # it is logged when all workers have ended, after their lines
