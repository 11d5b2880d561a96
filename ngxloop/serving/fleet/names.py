"""The names of a worker: the one that the machine uses, and the one that people read."""

import dataclasses
from typing import NamedTuple


class WorkerId(NamedTuple):
    """One process. Its process id is not part of it: the kernel gives that to another one later."""

    slot: int  # in the scoreboard
    incarnation: int  # of all processes so far; no two have the same


@dataclasses.dataclass(frozen=True)
class WorkerName:
    """A worker as log lines name it."""

    generation: int
    number: int
    id: WorkerId | None = None

    def __str__(self) -> str:
        return f"worker {self.generation}.{self.number}"

    @property
    def log_fields(self) -> dict[str, int]:
        """What a line about it says in JSON; see logformats.Subject."""
        return {"slot": self.number, "generation": self.generation}


@dataclasses.dataclass(frozen=True)
class StacksOf:
    """Stands in an argument of a log line for what a worker that hangs has shown."""

    id: WorkerId


@dataclasses.dataclass(frozen=True)
class ProcessId:
    """Stands in an argument of a log line for the process id, which only the executor knows."""

    id: WorkerId
