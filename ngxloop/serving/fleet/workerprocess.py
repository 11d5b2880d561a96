"""A worker as the kernel knows it: process, channel, and what was said on it."""

import contextlib
import dataclasses
import os

from ngxloop.serving.fleet.names import WorkerId
from ngxloop.serving.fleet.service import GenerationService
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.process.message import MessageKind
from ngxloop.serving.process.signals import DUMP_SIGNAL
from ngxloop.serving.process.stackpipe import StackPipe

# What a process says once at most, and not after FAILED. The order of the others is not fixed: a
# signal that means DRAIN can interrupt a program that is about to send READY.
_ONCE = frozenset(
    {MessageKind.READY, MessageKind.DRAINING, MessageKind.FAILED, MessageKind.MAX_REQUESTS_REACHED}
)


@dataclasses.dataclass(eq=False)
class WorkerProcess:
    """A process, from before its fork until its slot is released."""

    id: WorkerId
    service: GenerationService
    number: int
    pid: int = 0
    channel: Channel | None = None
    line: int = 0  # the number of its line to the keeper, 0 if it has none
    interface: str = ""  # what it serves, known once it is ready
    has_ended: bool = False
    is_told: bool = False  # it was told to drain or to stop
    stacks: StackPipe | None = None  # where it writes its stacks
    shown: str = ""  # what was read of that last
    heard: set[MessageKind] = dataclasses.field(default_factory=set)

    def __str__(self) -> str:
        return f"worker {self.service.number}.{self.number}"

    @property
    def log_fields(self) -> dict[str, int]:
        """What a line about it says in JSON; see logformats.Subject."""
        process = {"worker_pid": self.pid} if self.pid else {}
        return {"slot": self.number, "generation": self.service.number, **process}

    def order_fault(self, kind: MessageKind) -> str:
        """Return why a message cannot come now, "" if it can; and remember that it came."""
        if kind in _ONCE and self.heard & {kind, MessageKind.FAILED}:
            return f"{kind.name} twice" if kind in self.heard else f"{kind.name} after FAILED"
        self.heard.add(kind)
        return ""

    def order(self, kind: MessageKind, payload: bytes = b"") -> bool:
        """Tell the process; False if its channel is full, or closed."""
        return self.channel is not None and self.channel.send(kind, payload)

    def nudge(self) -> None:
        """Let the worker look for connections; an order that it has not read yet does that, too."""
        if self.channel is not None and not self.channel.has_unread():
            self.channel.send(MessageKind.LOOK)

    def urge(self) -> None:
        """Let the worker take a connection that nobody takes; one that reads nothing cannot."""
        if self.channel is not None and not self.channel.has_unread():
            self.channel.send(MessageKind.URGE)

    def ask_for_stacks(self) -> None:
        """Let the process write its stacks; take_stacks() has them a moment later."""
        if self.stacks is not None:
            self.stacks.read()  # what it may have written before
            self.send_signal(DUMP_SIGNAL)

    def take_stacks(self) -> str:
        """Return what the process has written since it was asked."""
        self.shown = self.stacks.read() if self.stacks is not None else ""
        return self.shown

    def close_stacks(self) -> None:
        """Close the pipe for the stacks."""
        if self.stacks is not None:
            self.stacks.close()
            self.stacks = None

    def send_signal(self, number: int) -> None:
        """Send a signal to the process. Its id cannot be another's: only we reap it."""
        if self.pid and not self.has_ended:
            with contextlib.suppress(ProcessLookupError):  # reaped by other code in this process
                os.kill(self.pid, number)
