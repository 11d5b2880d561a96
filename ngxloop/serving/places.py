"""The master's records: a place among the workers, and the generation that a reload replaces."""

import contextlib
import dataclasses
import os
import signal
import time

from ngxloop.serving.channel import Channel, Kind
from ngxloop.serving.config import (
    BACKOFF_LIMIT_SECONDS,
    BACKOFF_SECONDS,
    KILL_SECONDS,
    STOP_SECONDS,
    YOUNG_SECONDS,
    Config,
)
from ngxloop.serving.errors import StartError
from ngxloop.serving.listeners import Listeners
from ngxloop.serving.options.values import MAX_SECONDS
from ngxloop.serving.signals import DUMP_SIGNAL
from ngxloop.serving.stackpipe import StackPipe
from ngxloop.serving.states import LIVE, Event, State, next_state

_AGAIN_SECONDS = 1.0
# What a process says once at most, and not after FAILED. The order of the others is not fixed: a
# signal that means DRAIN can interrupt a program that is about to send READY.
_ONCE = frozenset({Kind.READY, Kind.DRAINING, Kind.FAILED, Kind.WORN})


@dataclasses.dataclass
class History:
    """What is told of the processes that had a place before; a successor goes on with it."""

    spawn_count: int = 0
    young_ends: int = 0  # of processes in a row that ended soon after they were ready, or before
    young_worn: int = 0  # of those in a row that had served --max-requests by then
    last_exit: str = ""  # how and why the last process ended


class Place:
    """One of the N workers of a generation: its state, and its process while there is one."""

    def __init__(self, number: int, generation: "Generation", history: History | None = None):
        self.number = number
        self.generation = generation
        self.history: History = history or History()
        self.state: State = State.DEAD
        self.pid: int = 0
        self.slot: int = -1  # in the scoreboard, while there is a process
        self.channel: Channel | None = None
        self.line: int = 0  # the number of its line to the keeper, 0 if it has none
        self.deadline: float | None = None  # monotonic; what happens then depends on the state
        self.started_at: float = 0.0  # monotonic, of the process
        self.ready_at: float | None = None
        self.interface = ""  # what the process serves, known once it is ready
        self.failure: StartError | None = None  # what the process reported
        self.heard: set[Kind] = set()  # what the process has said
        self.is_accepting: bool = False  # False once it says that it drains
        self.lifetime: float = 0.0  # after so many seconds of serving it is replaced; 0: never
        self.drain_seconds: float | None = None  # how long it may drain; None: see its generation
        self.drain_began_at: float = 0.0  # monotonic: since when it may drain
        self.stacks: StackPipe | None = None  # where the process writes its stacks
        self.is_asked_for_stacks: bool = False  # before it is killed
        self.verdict: str = ""  # why the master ends it, if it does
        self._is_end_counted = False

    def __str__(self) -> str:
        return f"worker {self.generation.number}.{self.number}"

    @property
    def log_fields(self) -> dict[str, int]:
        """What a line about it says in JSON; see logformats.Subject."""
        process = {"worker_pid": self.pid} if self.pid else {}
        return {"slot": self.number, "generation": self.generation.number, **process}

    @property
    def is_live(self) -> bool:
        """Say whether there is a process."""
        return self.state in LIVE

    def advance(self, event: Event) -> bool:
        """Follow the state table; False if the event changes nothing."""
        old = self.state
        self.state = next_state(old, event)
        return self.state is not old

    def settle(self, pid: int, slot: int, channel: Channel, deadline: float) -> None:
        """Take in a new process."""
        self.advance(Event.SPAWN)
        self.pid, self.slot, self.channel, self.deadline = pid, slot, channel, deadline
        self.started_at = time.monotonic()
        self.ready_at = self.failure = None
        self.heard = set()
        self.is_accepting = True
        self.is_asked_for_stacks = False
        self.drain_seconds = None
        self.verdict = ""
        self._is_end_counted = False
        self.history.spawn_count += 1

    def put_off(self, seconds: float = _AGAIN_SECONDS) -> None:
        """Have a deadline; by default the one at which what failed is tried again."""
        self.deadline = time.monotonic() + seconds

    def begin_drain(self, seconds: float | None = None) -> None:
        """Let the time run that the process has for its drain; by default as configured."""
        self.drain_began_at = time.monotonic()
        self.drain_seconds = seconds

    def limit_drain(self) -> None:
        """Have a deadline for the end of a drain."""
        self.deadline = self.drain_began_at + self._drain_limit

    def limit_start(self) -> None:
        """Have a deadline for the end of a process that was told to drain while it starts."""
        self.deadline = self.drain_began_at + min(self._drain_limit, STOP_SECONDS)

    @property
    def _drain_limit(self) -> float:
        seconds = self.drain_seconds
        if seconds is None:
            seconds = self.generation.config.graceful_timeout
        return min(seconds, MAX_SECONDS) + KILL_SECONDS

    @property
    def is_young(self) -> bool:
        """Say whether the process is not ready yet, or was not ready YOUNG_SECONDS ago."""
        return self.ready_at is None or time.monotonic() - self.ready_at < YOUNG_SECONDS

    def count_end(self) -> None:
        """Count a process that ends young; once for each, when it ends or leaves by itself."""
        if not self._is_end_counted:
            self._is_end_counted = True
            self.history.young_ends = self.history.young_ends + 1 if self.is_young else 0

    def count_worn(self) -> None:
        """Count a process that has served --max-requests while it is young."""
        self.history.young_worn = self.history.young_worn + 1 if self.is_young else 0

    def vacate(self, reason: str) -> None:
        """Forget the process, which has ended."""
        self.history.last_exit = f"{self.verdict}: {reason}" if self.verdict else reason
        self.advance(Event.EXIT)
        self.pid, self.slot, self.channel, self.deadline = 0, -1, None, None
        self.line = 0
        self.is_accepting = False
        if self.stacks is not None:
            self.stacks.close()
            self.stacks = None
        self.count_end()

    def order_fault(self, kind: Kind) -> str:
        """Return why a message cannot come now, "" if it can; and remember that it came."""
        if kind in _ONCE and self.heard & {kind, Kind.FAILED}:
            return f"{kind.name} twice" if kind in self.heard else f"{kind.name} after FAILED"
        self.heard.add(kind)
        return ""

    def order(self, kind: Kind, payload: bytes = b"") -> bool:
        """Tell the process; if it does not read its channel, by a signal, and return False."""
        if self.channel is not None and self.channel.send(kind, payload):
            return True
        self.send_signal(signal.SIGTERM)
        return False

    def nudge(self) -> None:
        """Let the worker look for connections; an order that it has not read yet does that, too."""
        if self.channel is not None and not self.channel.has_unread():
            self.channel.send(Kind.LOOK)

    def urge(self) -> None:
        """Let the worker take a connection that nobody takes; one that reads nothing cannot."""
        if self.channel is not None and not self.channel.has_unread():
            self.channel.send(Kind.URGE)

    def ask_for_stacks(self) -> None:
        """Let the process write its stacks; read_stacks() has them a moment later."""
        if self.stacks is not None:
            self.stacks.read()  # what it may have written before
            self.send_signal(DUMP_SIGNAL)

    def read_stacks(self) -> str:
        """Return what the process has written since it was asked."""
        return self.stacks.read() if self.stacks is not None else ""

    def send_signal(self, number: int) -> None:
        """Send a signal to the process. Its id cannot be another's: only we reap it."""
        if self.is_live:
            with contextlib.suppress(ProcessLookupError):  # reaped by other code in this process
                os.kill(self.pid, number)


class Generation:
    """The places that were filled together, by the start or by one reload, and what they serve."""

    def __init__(self, number: int, config: Config, listeners: Listeners, count: int) -> None:
        self.number = number
        self.config = config
        self.listeners = listeners
        self.places: list[Place] = []
        self.lent: set[str] = set()  # the addresses of --bind that programs have bound
        for _ in range(count):
            self.add()

    @property
    def is_ready(self) -> bool:
        """Say whether every worker is."""
        return all(place.state is State.READY for place in self.places)

    @property
    def interface(self) -> str:
        """What its workers serve."""
        return next((place.interface for place in self.places if place.interface), "")

    def note_lent(self, address: str) -> bool:
        """A program has bound an address of --bind; False if there is no such address."""
        is_known = address in self.listeners.describe()
        if is_known:
            self.lent.add(address)
        return is_known

    def add(self) -> Place:
        """Add an empty place behind the others, and return it."""
        self.places.append(Place(len(self.places), self))
        return self.places[-1]

    def replace(self, place: Place, successor: Place | None = None) -> Place:
        """Put an empty place, or a successor that is there, where this one stands; return it."""
        fresh = successor or self.successor(place)
        self.places[place.number] = fresh
        return fresh

    def successor(self, place: Place) -> Place:
        """Return an empty place with the same number, which does not stand among ours yet."""
        return Place(place.number, self, place.history)


def respawn_delay(young_ends: int) -> float:
    """Return how long to wait before the next process: not at all, then longer each time."""
    if young_ends <= 1:
        return 0.0
    return float(min(BACKOFF_SECONDS * 2 ** min(young_ends - 2, 30), BACKOFF_LIMIT_SECONDS))
