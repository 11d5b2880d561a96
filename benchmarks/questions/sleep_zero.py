"""What does `await asyncio.sleep(0)` cost, with one task and with 100 taking turns?

Unit: nanoseconds per sleep, that is per step of a task. Cases: with nothing to watch, and with one
listener and one idle connection open.
Leaves out: creating the tasks (100 in 100,000 sleeps) and everything that a real step would do.
"""

import asyncio

from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def sleep_in_turns(_loop: asyncio.AbstractEventLoop, case: Case) -> None:
    tasks = case.number("tasks")
    each = case.number("operations") // tasks
    if tasks == 1:
        await sleep_often(each)
    else:
        await asyncio.gather(*(sleep_often(each) for _ in range(tasks)))


async def sleep_often(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


QUESTION = SchedulerQuestion(
    sleep_in_turns,
    [
        operations(50_000, tasks=1),
        operations(50_000, connections=1, tasks=1),
        operations(100_000, tasks=100),
        operations(100_000, connections=1, tasks=100),
    ],
)
