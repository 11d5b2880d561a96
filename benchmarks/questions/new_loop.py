"""What does it cost to make a loop and to close it, without running anything?

Unit: nanoseconds per loop: made and closed, in a thread of its own, since a loop runs in this one.
Leaves out: importing the package, and what a first run adds (loop_creation).
"""

import asyncio
import threading
from functools import partial

from benchmarks.harness.contenders import LoopFactory
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def make_loops(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    work = partial(make_and_close, type(loop), case.number("operations"))
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def make_and_close(factory: LoopFactory, count: int) -> None:
    for _ in range(count):
        factory().close()


QUESTION = SchedulerQuestion(make_loops, [operations(500)])
