"""What does it cost to start a program that does nothing, and to wait for its end?

Unit: nanoseconds per create_subprocess_exec and wait, one after the other, without pipes and with
all three. CPU time is that of this process alone.
Leaves out: the started program's own CPU time, and several programs at once.
"""

import asyncio
import subprocess

from benchmarks.harness import checks
from benchmarks.harness.question import Case
from benchmarks.harness.scheduler import SchedulerQuestion, operations

PROGRAM = "/bin/true"


async def start_and_wait(_loop: asyncio.AbstractEventLoop, case: Case) -> None:
    stream = subprocess.PIPE if case.number("pipes") else None
    for _ in range(case.number("operations")):
        process = await asyncio.create_subprocess_exec(
            PROGRAM, stdin=stream, stdout=stream, stderr=stream
        )
        await process.communicate() if stream else await process.wait()
        checks.require(process.returncode == 0, "the program's exit code is wrong")


QUESTION = SchedulerQuestion(start_and_wait, [operations(50, pipes=0), operations(50, pipes=3)])
