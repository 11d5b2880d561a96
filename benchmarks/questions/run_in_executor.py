"""What does it cost to have a function that does nothing run in the default executor?

Unit: nanoseconds per `await loop.run_in_executor(None, function)`, one after the other.
Leaves out: starting the threads (the warm-up does), and several calls at once. The loop and the
thread share one core, as the measured process is pinned to one.
"""

import asyncio

from benchmarks.harness import checks
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def run_often(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    for _ in range(case.number("operations")):
        await loop.run_in_executor(None, do_nothing)


def do_nothing() -> None:
    pass


QUESTION = SchedulerQuestion(run_often, [operations(5_000)], checks.executor_runs_functions)
