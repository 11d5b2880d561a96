"""The master's records: a place among the workers, and the generation that a reload replaces."""

import os
import signal
import time

from ngxloop.serving.channel import Channel, Kind
from ngxloop.serving.config import BACKOFF_LIMIT_SECONDS, BACKOFF_SECONDS, YOUNG_SECONDS
from ngxloop.serving.errors import StartError
from ngxloop.serving.states import LIVE, Event, State, next_state


class Place:
    """One of the N workers of a generation: its state, and its process while there is one."""

    def __init__(self, number: int, generation: int) -> None:
        self.number = number
        self.generation = generation
        self.state = State.DEAD
        self.pid = 0
        self.slot = -1  # in the scoreboard, while there is a process
        self.channel: Channel | None = None
        self.deadline: float | None = None  # monotonic; what happens then depends on the state
        self.ready_at: float | None = None
        self.interface = ""  # what the process serves, known once it is ready
        self.failure: StartError | None = None  # what the process reported
        self.young_deaths = 0  # in a row

    def __str__(self) -> str:
        return f"worker {self.generation}.{self.number}"

    @property
    def log_fields(self) -> dict[str, int]:
        """What a line about it says in JSON; see logformats.Subject."""
        process = {"worker_pid": self.pid} if self.pid else {}
        return {"slot": self.number, "generation": self.generation, **process}

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
        self.ready_at = self.failure = None

    def vacate(self) -> None:
        """Forget the process, which is gone; count whether it died young."""
        self.advance(Event.EXIT)
        self.pid, self.slot, self.channel, self.deadline = 0, -1, None, None
        lived = self.ready_at is not None and time.monotonic() - self.ready_at >= YOUNG_SECONDS
        self.young_deaths = 0 if lived else self.young_deaths + 1

    def order(self, kind: Kind) -> None:
        """Tell the process; by a signal if it does not read its channel."""
        if self.channel is None or not self.channel.send(kind):
            self.send_signal(signal.SIGTERM)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal to the process. Its id cannot be another's: only we reap it."""
        if self.is_live:
            os.kill(self.pid, number)


class Generation:
    """The places that were filled together, by the start or by one reload."""

    def __init__(self, number: int, count: int) -> None:
        self.number = number
        self.places = [Place(index, number) for index in range(count)]

    @property
    def is_ready(self) -> bool:
        """Say whether every worker is."""
        return all(place.state is State.READY for place in self.places)

    def replace(self, place: Place) -> Place:
        """Put an empty place where this one stands, and return it."""
        fresh = Place(place.number, self.number)
        fresh.young_deaths = place.young_deaths
        self.places[place.number] = fresh
        return fresh


def respawn_delay(young_deaths: int) -> float:
    """Return how long to wait before the next process: not at all, then longer each time."""
    if young_deaths <= 1:
        return 0.0
    return float(min(BACKOFF_SECONDS * 2 ** min(young_deaths - 2, 30), BACKOFF_LIMIT_SECONDS))


def exit_reason(status: int) -> str:
    """Return a wait status in words."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal without a name
        return f"was killed by signal {-code}"
