"""What does a timer cost that is cancelled while 100 to 1,000,000 are outstanding?

Unit: nanoseconds per timer, armed and cancelled: all are armed, then all cancelled, in the order
they were armed. Deadlines are not in order of arming.
Leaves out: cancelling in another order, and firing (see timers_fire).
"""

import asyncio

from benchmarks.harness import checks
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations

FAR_SECONDS = 1000
STRIDE = 7919  # a prime that does not divide the count, so deadlines are a permutation


async def arm_all_cancel_all(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    count = case.number("timers")
    for _ in range(case.number("operations") // count):
        handles = [
            loop.call_later(FAR_SECONDS + i * STRIDE % count * 1e-3, do_nothing)
            for i in range(count)
        ]
        for handle in handles:
            handle.cancel()
        await asyncio.sleep(0)  # a loop that only marks cancelled timers clears them in a turn


def do_nothing() -> None:
    pass


QUESTION = SchedulerQuestion(
    arm_all_cancel_all,
    [
        operations(20_000, timers=100),
        operations(20_000, timers=10_000),
        operations(100_000, timers=100_000),
        operations(1_000_000, timers=1_000_000),
    ],
    checks.timers_fire_unless_cancelled,
)
