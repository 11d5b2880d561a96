"""What does asyncio.wait_for cost around something that takes one turn of the loop?

Unit: nanoseconds per `await asyncio.wait_for(asyncio.sleep(0), 10)`. Cases: with nothing to watch,
and with one listener and one idle connection open.
Leaves out: time-outs that expire. Since Python 3.12 no task is created; 3.11 creates one.
"""

import asyncio

from benchmarks.harness import checks
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def wait_in_time(_loop: asyncio.AbstractEventLoop, case: Case) -> None:
    for _ in range(case.number("operations")):
        await asyncio.wait_for(asyncio.sleep(0), 10)


QUESTION = SchedulerQuestion(
    wait_in_time, [operations(20_000), operations(20_000, connections=1)], checks.waits_time_out
)
