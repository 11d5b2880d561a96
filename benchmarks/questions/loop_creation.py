"""What does a loop cost that runs one coroutine and is closed, as `asyncio.run` does?

Unit: nanoseconds per loop: made, one coroutine run, asynchronous generators and executor shut down,
closed. What is timed runs in a thread of its own, since a loop runs in this one.
Leaves out: importing the package.
"""

import asyncio
import threading
from functools import partial

from benchmarks.harness.contenders import LoopFactory
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def make_loops(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    work = partial(run_loops, type(loop), case.number("operations"))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def run_loops(factory: LoopFactory, count: int) -> None:
    for _ in range(count):
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(do_nothing())


async def do_nothing() -> None:
    pass


QUESTION = SchedulerQuestion(make_loops, [operations(200)])
