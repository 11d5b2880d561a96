"""Timers, tasks, generators: what runs when, and once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.stress.world import Act


async def timers(act: Act) -> None:
    """Timers run in the order of their deadlines, never early, once; cancelled ones never."""
    ran: list[float] = []
    handles = []

    def run(when: float) -> None:
        act.check(act.loop.time() >= when, f"a timer ran {when - act.loop.time()} s early")
        ran.append(when)

    for _ in range(act.randomness.randrange(1, 100)):
        when = act.loop.time() + act.randomness.random() * act.choose(0, 0.001, 0.05)
        handles.append(act.loop.call_at(when, run, when))
    kept = [handle for handle in handles if not act.chance(0.3)]
    for handle in set(handles) - set(kept):
        handle.cancel()

    async def forget() -> None:
        for handle in handles:
            handle.cancel()

    act.defer(forget)
    await act.until(lambda: len(ran) >= len(kept), f"{len(ran)} timers of {len(kept)}")
    await asyncio.sleep(0.01)
    expected = sorted(handle.when() for handle in kept)
    act.check(sorted(ran) == expected, f"{len(ran)} timers ran, {len(kept)} were to")


async def tasks(act: Act) -> None:
    """Tasks that wait for each other, time out and are cancelled."""
    lock, queue = asyncio.Lock(), asyncio.Queue[int](3)

    async def produce() -> None:
        for number in range(30):
            await queue.put(number)

    async def consume() -> None:
        for number in range(30):
            async with lock:
                got = await queue.get()
                act.check(got == number, f"{got} came out of a queue instead of {number}")
            if act.chance(0.2):
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(act.choose(0, 0.001)):
                        await asyncio.sleep(1000)

    async with asyncio.TaskGroup() as group:
        group.create_task(produce())
        group.create_task(consume())


async def generators(act: Act) -> None:
    """Asynchronous generators that nobody exhausts: the loop closes them."""
    closed = []

    async def count() -> AsyncIterator[int]:
        try:
            for number in range(1000):
                yield number
                await asyncio.sleep(0)
        finally:
            closed.append(1)

    async for number in count():
        if number == act.randomness.randrange(1, 5):
            break
    await act.breathe()
