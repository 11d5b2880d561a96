"""World: what the acts of one round share; Act: one of them, with randomness of its own.

Rules:
- What an act chooses follows from the seed, the round and the act's number alone, whatever the
  others do meanwhile. When it happens is the kernel's matter.
- An act's body may be cancelled wherever it waits. What it leaves to Act.defer() is run afterwards
  in a task that nobody cancels, so a body needs no `finally`.
- What is wrong is told to World.fail(), which never raises: an exception in a callback of the loop
  would be one of those that the loop has to report.
"""

import asyncio
import collections
import random
import tempfile
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

# Seconds that anything awaited may take: ample, a busy machine with every check on is slow.
DEADLINE = 60.0

# Notes that a failure shows.
TRACE_LENGTH = 400

# In debug mode a server says this of a client that goes away during the handshake.
FAILED_HANDSHAKE = "Error on transport creation for incoming connection"


class ProvokedError(Exception):
    """Raised on purpose in a callback: the loop has to report it exactly once."""


class Interruption(KeyboardInterrupt):
    """Raised on purpose in a callback: leaves run_forever, which is called again."""


class Closable(Protocol):
    """A socket or a file."""

    def close(self) -> object: ...


class World:
    """One round: its loop, what it has seen, and what has to be put away at its end."""

    def __init__(self, seed: int, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self.seed = seed
        self.number = number
        self.loop = loop
        self.randomness = random.Random(f"{seed}/{number}")
        self.folder = tempfile.TemporaryDirectory(prefix="stress-")
        self.failures: list[str] = []
        self.trace: collections.deque[str] = collections.deque(maxlen=TRACE_LENGTH)
        self.over = threading.Event()  # foreign threads end when it is set
        self.is_abrupt = False  # everything ends while it is open: nobody can ask for completeness
        self.lives: list[Any] = []
        self.protocols: weakref.WeakSet[Any] = weakref.WeakSet()
        self.resources: list[Closable] = []
        self.threads: list[threading.Thread] = []
        self.processes: set[int] = set()
        self.free_signals: list[int] = []
        self.act_counts: collections.Counter[str] = collections.Counter()
        self._provoked: dict[int, ProvokedError] = {}
        self._started = time.monotonic()

    def note(self, who: str, what: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{time.monotonic() - self._started:8.4f} {who}: {what}")

    def fail(self, who: str, what: str) -> None:
        """Say what is wrong."""
        self.note(who, f"WRONG: {what}")
        self.failures.append(f"{who}: {what}")

    def provoke(self, who: str) -> ProvokedError:
        """Return an exception to raise, which the loop has to report once."""
        exc = ProvokedError(f"{who} {len(self._provoked)}")
        self._provoked[id(exc)] = exc
        self.note(who, f"raises {exc}")
        return exc

    def report(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take what the loop reports: the exception handler."""
        exc = context.get("exception")
        if isinstance(exc, ProvokedError):
            if self._provoked.pop(id(exc), None) is None:
                self.fail("reports", f"{exc} was reported twice: {context['message']}")
            return
        if isinstance(exc, OSError) and context["message"] == FAILED_HANDSHAKE:
            return
        self.fail("reports", f"{context['message']}: {exc!r} {_short(context)}")

    def forget_frames(self) -> None:
        """Let go of the frames in which exceptions were raised: they may hold what raised them."""
        for exc in self._provoked.values():
            exc.__traceback__ = None

    def check_reports(self) -> None:
        """Fail for what was raised and never reported."""
        for exc in self._provoked.values():
            self.fail("reports", f"{exc} was never reported")
        self._provoked.clear()


def _short(context: dict[str, Any]) -> str:
    return " ".join(f"{key}={value!r:.200}" for key, value in context.items() if key != "message")


class Act:
    """One activity of a round."""

    def __init__(self, world: World, kind: str) -> None:
        number = sum(world.act_counts.values())
        world.act_counts[kind] += 1
        self.world = world
        self.loop = world.loop
        self.name = f"{number} {kind}"
        self.randomness = random.Random(f"{world.seed}/{world.number}/{number}/{kind}")
        self._deferred: list[Callable[[], Awaitable[object]]] = []

    def note(self, what: str) -> None:
        self.world.note(self.name, what)

    def fail(self, what: str) -> None:
        self.world.fail(self.name, what)

    def check(self, condition: object, what: str) -> None:
        if not condition:
            self.fail(what)

    def chance(self, probability: float) -> bool:
        return self.randomness.random() < probability

    def choose(self, *options: Any) -> Any:
        return self.randomness.choice(options)

    def own(self, resource: Any) -> Any:
        """Have a socket or a file closed at the end of the act, or of the round; return it."""
        self.world.resources.append(resource)

        async def close() -> None:
            resource.close()

        self.defer(close)
        return resource

    def path(self, name: str) -> Path:
        """Return a path of its own in the round's folder."""
        return Path(self.world.folder.name, f"{self.name.replace(' ', '-')}-{name}")

    def defer(self, function: Callable[[], Awaitable[object]]) -> None:
        """Have a coroutine function awaited at the end of the act, the last one first."""
        self._deferred.append(function)

    async def breathe(self) -> None:
        """Let the loop turn: not at all, a few times, or for a moment."""
        for _ in range(self.randomness.randrange(4)):
            await asyncio.sleep(0)
        if self.chance(0.1):
            await asyncio.sleep(self.randomness.random() * 0.005)

    async def until(self, condition: Callable[[], object], *what: object) -> bool:
        """Wait until the condition holds; fail, saying what, and return False if it does not."""
        end = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > end:
                self.fail(f"still waiting: {' '.join(map(str, what))}")
                return False
            await asyncio.sleep(0.001)
        return True

    async def finish(self) -> None:
        """Run what was deferred."""
        while self._deferred:
            function = self._deferred.pop()
            try:
                await asyncio.wait_for(function(), 2 * DEADLINE)
            except asyncio.CancelledError:
                raise
            except BaseException as exc:
                self.fail(f"its end: {exc!r}")
