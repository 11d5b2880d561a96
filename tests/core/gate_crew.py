"""The tests' side of gate_master: a running crew of workers, and clients for it."""

import contextlib
import json
import math
import os
import select
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.priority import undisturbed
from tests.support.waiting import DEADLINE

MODES = ["fair", "mutex", "exclusive", "plain"]
EXCLUSIVE_MODES = ["fair", "exclusive"]  # the kernel wakes one worker for a connection
all_modes = pytest.mark.parametrize("mode", MODES)

ROOT = Path(__file__).parents[2]

# The largest share of a worker over the mean, and how often that is tried. A worker that a busy
# machine keeps from running for long counts as stuck, and its share goes to the others; so it is
# measured undisturbed, where that is allowed.
EVEN = 1.1
ATTEMPTS = 3

Address = tuple[str, int] | str


class Crew:
    """A master and its workers; every method is a command of gate_master.Master."""

    def __init__(
        self,
        mode: str,
        workers: int = 4,
        listeners: tuple[str, ...] = ("",),
        worker_connections: int | None = None,
        heartbeat: float | None = None,
    ) -> None:
        options = {
            "mode": mode,
            "workers": workers,
            "listeners": listeners,
            "worker_connections": worker_connections,
            "heartbeat": heartbeat,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.core.gate_master", json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            text=True,
        )
        started = self._answer()
        self.pids: list[int] = started["pids"]
        self._listening_fds: list[int] = started["fds"]
        self.addresses: list[Address] = [
            where if isinstance(where, str) else tuple(where) for where in started["addresses"]
        ]

    @property
    def address(self) -> Address:
        """Where the first listener is."""
        return self.addresses[0]

    def close(self) -> None:
        """End all processes."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(DEADLINE)
        self._process.stdout.close()

    def do(self, name: str, *arguments: Any) -> Any:
        """Let the master do something; return what it answers."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def tell(self, slot: int, *order: Any) -> Any:
        """Let a worker do something; return what it answers."""
        return self.do("tell", slot, *order)

    def _answer(self) -> Any:
        assert self._process.stdout
        readable, _, _ = select.select([self._process.stdout], [], [], DEADLINE)
        assert readable, "the master does not answer"
        return json.loads(self._process.stdout.readline())

    # What the scoreboard says.

    def slots(self) -> list[dict[str, Any]]:
        """Return what the slots hold."""
        return self.do("read")["slots"]

    def values(self, name: str) -> list[Any]:
        """Return one field of all slots."""
        return [slot[name] for slot in self.slots()]

    def mutex_pid(self) -> int:
        """Return who holds the accept mutex."""
        return self.do("read")["mutex_pid"]

    def watchers(self) -> list[int]:
        """Return the process ids of the workers that have the first listening socket in epoll."""
        entry = f"tfd: {self._listening_fds[0]:8d} "
        return [pid for pid in self.pids if entry in watched_fds(pid)]

    def settle(self) -> None:
        """Wait until all workers sleep, and have nothing to do."""
        until(lambda: all(is_asleep(pid) for pid in self.pids), "all workers sleep")

    def undisturbed(self) -> contextlib.AbstractContextManager[None]:
        """Let the crew, and us, run before all others while a block lasts: for a moment."""
        return undisturbed(self._process.pid, *self.pids)

    def wake_ups(self) -> int:
        """Return how often the kernel has put the workers to sleep, and so woken them."""
        return sum(voluntary_switches(pid) for pid in self.pids)


class Clients:
    """Open connections to a crew."""

    def __init__(self) -> None:
        self.open: list[tuple[socket.socket, int]] = []  # connection, the slot of its worker
        self._started: list[socket.socket] = []  # nobody serves them yet

    def close(self) -> None:
        """Close all connections."""
        for sock in [*self._started, *(sock for sock, _ in self.open)]:
            sock.close()
        self.open.clear()
        self._started.clear()

    def close_some(self, slot: int, count: int) -> None:
        """Close the first connections that a worker has."""
        chosen = [entry for entry in self.open if entry[1] == slot][: max(0, count)]
        for entry in chosen:
            self.open.remove(entry)
            entry[0].close()

    def close_but(self, count: int, slots: Iterable[int]) -> None:
        """Close the connections of these workers, except for a number of each."""
        for slot in slots:
            self.close_some(slot, self.count_of(slot) - count)

    def burst_until(self, address: Address, slot: int, count: int) -> None:
        """Open connections until a worker has `count`, which is soon if it has few."""
        while self.count_of(slot) < count:
            self.burst(address, count=8)

    def count_of(self, slot: int) -> int:
        """Return how many connections a worker has."""
        return sum(home == slot for _, home in self.open)

    def start(self, address: Address) -> None:
        """Begin to connect; wait() waits for an answer."""
        sock = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self._started.append(sock)
        if isinstance(address, str):
            sock.settimeout(DEADLINE)
            sock.connect(address)
        else:
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(address)

    def connect(self, address: Address, count: int = 1) -> list[int]:
        """Open connections one after the other, each when the one before was served."""
        slots = []
        for _ in range(count):
            self.start(address)
            slots += self.wait()
        return slots

    def connect_idle(self, crew: Crew, count: int) -> list[int]:
        """Open connections one after the other, each when all workers sleep."""
        slots = []
        for _ in range(count):
            crew.settle()
            slots += self.connect(crew.address)
        crew.settle()
        return slots

    def burst(self, *addresses: Address, count: int) -> list[int]:
        """Open connections all at once; return who serves them."""
        for number in range(count):
            self.start(addresses[number % len(addresses)])
        return self.wait()

    def paced(self, address: Address, count: int, gap: float) -> list[int]:
        """Open connections at fixed intervals; return who serves them."""
        begin = time.monotonic()
        for number in range(count):
            select.select([], [], [], max(0, begin + number * gap - time.monotonic()))
            self.start(address)
        return self.wait()

    def wait(self) -> list[int]:
        """Wait until all started connections were greeted; return who serves them."""
        slots = []
        deadline = time.monotonic() + DEADLINE
        poll = select.poll()
        for sock in self._started:
            poll.register(sock, select.POLLIN)
        while self._started:
            left = deadline - time.monotonic()
            assert left > 0, f"{len(self._started)} connections unanswered"
            ready = {fd for fd, _ in poll.poll(left * 1000)}
            for sock in [sock for sock in self._started if sock.fileno() in ready]:
                poll.unregister(sock)
                self._started.remove(sock)
                slots.append(greeting(sock))
                self.open.append((sock, slots[-1]))
        return slots


def greeting(sock: socket.socket) -> int:
    """Return the slot of the worker that serves a connection which has data."""
    data = sock.recv(1)
    assert data, "the connection was closed unserved"
    return data[0]


def echo(sock: socket.socket, data: bytes) -> bytes:
    """Send data over a connection and return what comes back."""
    sock.settimeout(DEADLINE)
    sock.sendall(data)
    return sock.recv(len(data))


def watched_fds(pid: int) -> str:
    """Return the kernel's list of what the epoll instances of a process watch."""
    folder = Path(f"/proc/{pid}")
    watched = ""
    for fd in os.listdir(folder / "fd"):
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            if "[eventpoll]" in os.readlink(folder / "fd" / fd):
                watched += (folder / "fdinfo" / fd).read_text()
    return watched


def is_asleep(pid: int) -> bool:
    """Return whether a process waits for something."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def voluntary_switches(pid: int) -> int:
    """Return how often a process went to sleep by itself."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise AssertionError(f"the kernel does not count the switches of process {pid}")


def until(condition: Any, what: str) -> None:
    """Look at a condition until it holds."""
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline, f"not in {DEADLINE} s: {what}"
        os.sched_yield()


@contextlib.contextmanager
def running_crew(mode: str, **options: Any) -> Iterator[tuple[Crew, Clients]]:
    """Run a crew, and clients for it, which come to an end together."""
    crew = Crew(mode, **options)
    clients = Clients()
    try:
        yield crew, clients
    finally:
        clients.close()
        crew.close()


def most_over_mean(slots: list[int], workers: int = 4) -> float:
    """Return the largest share of a worker over the mean."""
    return max(Counter(slots).values()) / (len(slots) / workers)


def evenest(attempt: Callable[[Crew, Clients], list[int]]) -> float:
    """Return the best of some attempts, each with a crew of its own; the first good one ends it."""
    ratios = [math.inf]
    while ratios[-1] > EVEN and len(ratios) <= ATTEMPTS:
        with running_crew("fair") as (crew, clients):
            ratios.append(most_over_mean(attempt(crew, clients)))
    return min(ratios)
