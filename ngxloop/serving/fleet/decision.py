"""What follows from one event: the machine's parts change the records and add actions."""

import dataclasses

from ngxloop.serving.fleet.actions import Action, Log
from ngxloop.serving.fleet.names import WorkerId
from ngxloop.serving.fleet.records import Fleet


@dataclasses.dataclass(slots=True)
class Decision:
    """The records, the time of the event, and the actions so far."""

    fleet: Fleet
    now: float  # monotonic
    actions: list[Action]

    def act(self, action: Action) -> None:
        """Add an action."""
        self.actions.append(action)

    def debug(self, text: str, *arguments: object) -> None:
        """Log what is of use to developers."""
        self.actions.append(Log("debug", text, arguments))

    def info(self, text: str, *arguments: object) -> None:
        """Log what is as it should be."""
        self.actions.append(Log("info", text, arguments))

    def warn(self, text: str, *arguments: object) -> None:
        """Log what an operator may have to know."""
        self.actions.append(Log("warning", text, arguments))

    def show(self, level: str, stacks: WorkerId, text: str, *arguments: object) -> None:
        """Log something below the stacks that a worker has written."""
        self.actions.append(Log(level, text, arguments, stacks))

    def error(self, text: str, *arguments: object) -> None:
        """Log what an operator has to know."""
        self.actions.append(Log("error", text, arguments))
