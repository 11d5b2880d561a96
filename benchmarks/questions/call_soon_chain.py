"""What does one turn of the loop cost when each callback schedules the next?

Unit: nanoseconds per callback, that is per turn with one ready callback.
Cases: with nothing to watch, and with one listener and one idle connection open. In the second,
asyncio and ngxloop ask the kernel in each turn whether something has happened; a loop that does so
more rarely is cheaper here, and lets I/O wait: see turns_until_read.
Leaves out: I/O.
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


QUESTION = SchedulerQuestion(run_chain, [operations(100_000), operations(100_000, connections=1)])
