"""What does call_soon_threadsafe cost, called without pause from one other thread, and from four?

Unit: nanoseconds per callback, from the first call in the thread until the last has run.
Leaves out: the time until a sleeping loop wakes up. Both threads share one core, as the
measured process is pinned to one; with the GIL they could not run at once on two either.
"""

import asyncio
import threading

from benchmarks.harness import checks
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations


async def call_from_threads(loop: asyncio.AbstractEventLoop, case: Case) -> None:
    threads = case.number("threads")
    each = case.number("operations") // threads
    left = threads
    done = loop.create_future()

    def finish() -> None:
        nonlocal left
        left -= 1
        if not left:
            done.set_result(None)

    def call_often() -> None:
        for _ in range(each - 1):
            loop.call_soon_threadsafe(do_nothing)
        loop.call_soon_threadsafe(finish)

    callers = [threading.Thread(target=call_often) for _ in range(threads)]
    for caller in callers:
        caller.start()
    await done
    for caller in callers:
        caller.join()


def do_nothing() -> None:
    pass


QUESTION = SchedulerQuestion(
    call_from_threads,
    [operations(50_000, threads=1), operations(50_000, threads=4)],
    checks.callbacks_of_threads_run_once,
)
