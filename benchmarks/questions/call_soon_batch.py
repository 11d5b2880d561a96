"""What does call_soon cost when many callbacks are waiting at once?

Unit: nanoseconds per callback, from scheduling to having run, in a batch of 200,000.
Leaves out: arguments, contexts of its own, cancelling, and the waiting for I/O.
"""

import asyncio

from benchmarks.harness import checks
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def schedule_batch(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    done = loop.create_future()
    for _ in range(case.number("operations") - 1):
        loop.call_soon(do_nothing)
    loop.call_soon(done.set_result, None)
    await done


def do_nothing() -> None:
    pass


QUESTION = SchedulerQuestion(
    schedule_batch, [operations(200_000)], checks.callbacks_run_once_in_order
)
