"""What does `async with asyncio.timeout(10)` cost around nothing?

Unit: nanoseconds per block: the loop arms a timer and cancels it, the rest is asyncio's Python.
Leaves out: time-outs that expire, and moving them (reschedule).
"""

import asyncio

from benchmarks.harness import checks
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def enter_and_leave(_loop: asyncio.AbstractEventLoop, case: Case) -> None:
    for _ in range(case.number("operations")):
        async with asyncio.timeout(10):
            pass


QUESTION = SchedulerQuestion(enter_and_leave, [operations(20_000)], checks.waits_time_out)
