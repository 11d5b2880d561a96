"""What does it cost when two tasks hand one item to and fro through two asyncio.Queues?

Unit: nanoseconds per item handed over, that is per put that wakes a waiting get. Cases: with
nothing to watch, and with one listener and one idle connection open.
Leaves out: queues with a limit, several waiters, and the work between.
"""

import asyncio

from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def play(_loop: asyncio.AbstractEventLoop, case: Case) -> None:
    there: asyncio.Queue[int] = asyncio.Queue()
    back: asyncio.Queue[int] = asyncio.Queue()
    rounds = case.number("operations") // 2
    await asyncio.gather(serve(there, back, rounds), return_all(there, back, rounds))


async def serve(there: asyncio.Queue[int], back: asyncio.Queue[int], rounds: int) -> None:
    for i in range(rounds):
        there.put_nowait(i)
        await back.get()


async def return_all(there: asyncio.Queue[int], back: asyncio.Queue[int], rounds: int) -> None:
    for _ in range(rounds):
        back.put_nowait(await there.get())


QUESTION = SchedulerQuestion(play, [operations(50_000), operations(50_000, connections=1)])
