"""What does a timer cost that fires, with 100 to 1,000,000 armed?

Unit: nanoseconds per timer, armed and fired. Deadlines are 10 ns apart and not in order of arming,
so that practically all are due when the loop first looks.
Leaves out: waiting, precision, and cancelling (see timers_cancel).
"""

import asyncio

from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations

STEP_SECONDS = 1e-8
STRIDE = 7919  # a prime that does not divide the count, so deadlines are a permutation


async def arm_all_fire_all(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    count = case.number("timers")
    for _ in range(case.number("operations") // count):
        await fire_all(loop, count)


async def fire_all(loop: asyncio.AbstractEventLoop, count: int) -> None:
    left = count
    done = loop.create_future()

    def fire() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set_result(None)

    start = loop.time()
    for i in range(count):
        loop.call_at(start + i * STRIDE % count * STEP_SECONDS, fire)
    await done


QUESTION = SchedulerQuestion(
    arm_all_fire_all,
    [
        operations(20_000, timers=100),
        operations(20_000, timers=10_000),
        operations(100_000, timers=100_000),
        operations(1_000_000, timers=1_000_000),
    ],
)
