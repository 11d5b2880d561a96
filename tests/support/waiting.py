"""Waiting for something to happen: always for the event itself, never without a deadline."""

import asyncio
import os
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

# Seconds until a wait fails. Ample, for a loaded machine is no failure: only a test that fails
# anyway reaches it.
DEADLINE = 30.0

# Seconds between two looks at a condition that nothing announces.
LOOK_AGAIN = 0.001


async def wait_until(condition: Callable[[], object], what: str = "", deadline=DEADLINE) -> None:
    """Let the loop turn until `condition()` is true; raise TimeoutError when it stays false."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"still waiting after {deadline} s: {what or condition!r}")
        await asyncio.sleep(LOOK_AGAIN)


def wait_until_blocking(condition: Callable[[], object], what: str = "", deadline=DEADLINE) -> None:
    """Do what wait_until does, where no loop runs."""
    end = time.monotonic() + deadline
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"still waiting after {deadline} s: {what or condition!r}")
        time.sleep(LOOK_AGAIN)


def wait_until_main_thread_sleeps() -> None:
    """Wait until the kernel says that this process's main thread waits in epoll_wait.

    Where /proc hides what a thread waits for, a thread that sleeps is taken for one that polls.
    """
    main_thread = Path(f"/proc/self/task/{os.getpid()}")

    def sleeps() -> bool:
        where = (main_thread / "wchan").read_text()
        if where != "0":
            return "epoll" in where or "ep_poll" in where
        return (main_thread / "stat").read_text().rpartition(")")[2].split()[0] == "S"

    wait_until_blocking(sleeps, "the loop to sleep")


async def turns(count: int) -> None:
    """Let the loop take `count` turns."""
    for _ in range(count):
        await asyncio.sleep(0)


def step(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine up to its first suspension; return its result, or fail if it suspends."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    raise AssertionError("the call was suspended")
