"""What does a timer cost that is set and cancelled at once, as timeouts mostly are?

Unit: nanoseconds per call_later and cancel.
Leaves out: other timers outstanding (see timers_cancel), and letting timers fire (timers_fire).
"""

import asyncio

from benchmarks.harness import checks
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations

FAR_SECONDS = 1000


async def arm_and_cancel(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    for _ in range(case.number("operations")):
        loop.call_later(FAR_SECONDS, do_nothing).cancel()
    await asyncio.sleep(0)  # a loop that only marks cancelled timers clears them in a turn


def do_nothing() -> None:
    pass


QUESTION = SchedulerQuestion(
    arm_and_cancel, [operations(100_000)], checks.timers_fire_unless_cancelled
)
