"""What does a timer cost that fires, with 100,000 armed?

Unit: nanoseconds per timer, armed and fired. All deadlines lie in the same millisecond and are
not in order of arming, so that practically all are due when the loop first looks.
Leaves out: waiting, precision, and cancelling (see timers_cancel).
"""

import asyncio

from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations

SPREAD_SECONDS = 1e-3
STRIDE = 7919  # a prime that does not divide the count, so deadlines are a permutation


async def arm_all_fire_all(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    count = case.number("operations")
    left = count
    done = loop.create_future()

    def fire() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set_result(None)

    start = loop.time()
    step = SPREAD_SECONDS / count
    for i in range(count):
        loop.call_at(start + i * STRIDE % count * step, fire)
    await done


QUESTION = SchedulerQuestion(arm_all_fire_all, [operations(100_000)])
