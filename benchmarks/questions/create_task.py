"""What does it cost to start a task and to await it?

Unit: nanoseconds per task, one after the other: created, run to its end, awaited. Cases: with
nothing to watch, and with one listener and one idle connection open.
Leaves out: tasks that wait for something, names, contexts, TaskGroup.
"""

import asyncio

from benchmarks.harness import checks
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def create_and_await(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    for _ in range(case.number("operations")):
        await loop.create_task(do_nothing())


async def do_nothing() -> None:
    pass


QUESTION = SchedulerQuestion(
    create_and_await,
    [operations(20_000), operations(20_000, connections=1)],
    checks.tasks_run_to_their_end,
)
