"""How soon does a loop look for I/O while it has callbacks to run?

Unit: calls of `await asyncio.sleep(0)` after a byte was written to a pipe until its reader has run,
on average and at most. asyncio needs two: one turn finds the byte, its callbacks run before the
reader. A loop that asks the kernel more rarely has cheaper turns (call_soon_chain, sleep_zero), and
programs that rely on sleep(0) to let I/O happen run differently on it.
Leaves out: turns in which nothing is ready; every loop asks the kernel then.
"""

import asyncio
import os

from benchmarks.harness import messages
from benchmarks.harness.checks import WorkNotDoneError
from benchmarks.harness.child import start_child
from benchmarks.harness.contenders import Contender, LoopFactory
from benchmarks.harness.question import Case, Effort, Metric, Question, Sample

TRIALS = 200
SLEEPS_MAX = 100_000


class TurnsQuestion(Question):
    """Counts turns; takes no time and is exact."""

    metrics = (
        Metric("turns", "turns", "lower", digits=1),
        Metric("turns_max", "at most", "lower", digits=0),
    )

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        with start_child(self, contender, case, effort) as process:
            return dict(process.receive())

    def run_child(self, factory: LoopFactory, case: Case, seconds: float) -> None:
        loop = factory()
        asyncio.set_event_loop(loop)
        turns = loop.run_until_complete(count_turns(loop))
        loop.close()
        messages.send({"turns": sum(turns) / len(turns), "turns_max": max(turns)})


async def count_turns(loop: asyncio.AbstractEventLoop) -> list[int]:
    read_fd, write_fd = os.pipe()
    os.set_blocking(read_fd, False)
    received: list[bytes] = []
    loop.add_reader(read_fd, lambda: received.append(os.read(read_fd, 1)))
    await asyncio.sleep(0)
    turns = [await wait_for_reader(write_fd, received) for _ in range(TRIALS)]
    loop.remove_reader(read_fd)
    os.close(read_fd)
    os.close(write_fd)
    return turns


async def wait_for_reader(write_fd: int, received: list[bytes]) -> int:
    received.clear()
    os.write(write_fd, b"x")
    for count in range(1, SLEEPS_MAX):
        await asyncio.sleep(0)
        if received:
            return count
    raise WorkNotDoneError(f"the reader has not run after {SLEEPS_MAX} turns")


QUESTION = TurnsQuestion([Case("pipe")])
