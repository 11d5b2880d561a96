"""What does one turn of the loop cost when each callback schedules the next?

Unit: nanoseconds per callback, that is per turn with one ready callback and no I/O.
Leaves out: file descriptors; a loop that watches some also asks the kernel in every turn.
"""

import asyncio

from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def run_chain(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    done = loop.create_future()
    left = case.number("operations")

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(step)
        else:
            done.set_result(None)

    loop.call_soon(step)
    await done


QUESTION = SchedulerQuestion(run_chain, [operations(100_000)])
