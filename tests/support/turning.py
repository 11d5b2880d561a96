"""Turns of a loop made of its parts, as the packages make them that turn a running loop."""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def turn_by_parts(loop: Any) -> None:
    """Take one turn: wait, let due timers be ready, run what is ready."""
    ready, timers = loop._ready, loop._scheduled
    while timers and timers[0]._cancelled:
        heapq.heappop(timers)
    loop._process_events(loop._selector.select(_timeout(loop)))
    now = loop.time() + loop._clock_resolution
    while timers and timers[0]._when < now:
        ready.append(heapq.heappop(timers))
    for _ in range(len(ready)):
        if not ready:
            break
        handle = ready.popleft()
        if not handle._cancelled:
            handle._run()


def _timeout(loop: Any) -> float | None:
    if loop._ready or loop._stopping:
        return 0
    if loop._scheduled:
        return max(loop._scheduled[0]._when - loop.time(), 0)
    return None


def run_by_parts(
    loop: Any, coroutine: Coroutine[Any, Any, T], turn: Callable[[Any], object] = turn_by_parts
) -> T:
    """Do what run_until_complete() does, with turns made of parts, or by another function."""
    asyncio._set_running_loop(loop)
    try:
        task = loop.create_task(coroutine)
        while not task.done():
            turn(loop)
        return task.result()
    finally:
        asyncio._set_running_loop(None)
