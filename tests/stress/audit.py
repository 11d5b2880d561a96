"""What must not be left of a round, and what the process must not have said meanwhile."""

import gc
import logging
import os
import sys
import threading
import time
import warnings
from typing import Any, Self

from tests.stress.world import DEADLINE, World
from tests.support.leaks import fds_opened_since, open_fds

# What the program causes itself: it forks while its threads run, and in rounds that end abruptly it
# leaves transports, sockets and loops' resources open.
FORK_WARNING = "multi-threaded, use of fork"


class Audit:
    """Compare the process before and after a round; a context manager."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __enter__(self) -> Self:
        gc.collect()
        self.fds = open_fds()
        self.threads = set(threading.enumerate())
        self.hooks = sys.unraisablehook, threading.excepthook, warnings.showwarning
        sys.unraisablehook = self._unraisable
        threading.excepthook = self._unraisable
        warnings.showwarning = self._warning
        self.log = _LogHandler(self.world)
        logging.getLogger("asyncio").addHandler(self.log)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.world.lives.clear()
        self.world.resources.clear()
        self.world.forget_frames()
        for _ in range(3):
            gc.collect()
        self._check()
        logging.getLogger("asyncio").removeHandler(self.log)
        sys.unraisablehook, threading.excepthook, warnings.showwarning = self.hooks

    def _check(self) -> None:
        self.world.check_reports()
        self._check_threads()
        self._check_children()
        if left := fds_opened_since(self.fds):
            self.world.fail("audit", f"descriptors are left: {', '.join(left)}")
        if left := list(self.world.protocols):
            self.world.fail("audit", f"{len(left)} protocols are kept alive: {_holders(left[0])}")

    def _check_threads(self) -> None:
        end = time.monotonic() + DEADLINE
        while left := set(threading.enumerate()) - self.threads:
            if time.monotonic() > end:
                self.world.fail("audit", f"threads are left: {left}")
                return
            time.sleep(0.001)

    def _check_children(self) -> None:
        try:
            pid, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        self.world.fail("audit", f"a child is left: {pid or 'one that runs'}")

    def _unraisable(self, arguments: Any) -> None:
        self.world.fail("unraisable", f"{arguments.exc_value!r} in {arguments!r:.300}")

    def _warning(self, message: Warning, category: type, filename: str, line: int, *_: Any) -> None:
        if FORK_WARNING in str(message):
            return
        if self.world.is_abrupt and issubclass(category, ResourceWarning):
            return
        self.world.fail("warning", f"{category.__name__}: {message} ({filename}:{line})")


class _LogHandler(logging.Handler):
    """Fail for what the loop logs as an error; what the acts do is worth many a warning."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.ERROR)
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        self.world.fail("log", record.getMessage())


def check_loop(world: World) -> None:
    """Fail unless a loop whose acts have ended holds nothing, besides what a turn may clean up."""
    if not hasattr(world.loop, "stats"):
        return
    stats = world.loop.stats()
    for name in ("connection_count", "timer_count"):
        if getattr(stats, name):
            world.fail("audit", f"{name} is {getattr(stats, name)} at the end")


def _holders(kept: object) -> str:
    """Name what refers to an object, for a failure."""
    return ", ".join(f"{type(holder).__name__} {holder!r:.80}" for holder in gc.get_referrers(kept))
