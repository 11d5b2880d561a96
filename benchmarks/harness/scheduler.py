"""Questions about the loop alone: a coroutine does a known number of operations, again and again.

One process measures one case: it warms up once, repeats until the seconds are spent, and gives the
median repetition: by the clock, and in CPU time of all threads, which is exact and, on a machine
with other work to do, the steadier of the two. The garbage collector stays on, as in a program; it
is run between the repetitions, so that none pays for the garbage of the one before.

A loop that watches nothing need not ask the kernel for events in each turn; a program's loop
watches something. Cases with a parameter `connections` are measured with that many idle connections
and the listener that accepted them open.

An operation that is not carried out costs nothing. A question whose operations leave no trace has a
check, which runs once in the measured process, before the measurement.
"""

import asyncio
import contextlib
import gc
import statistics
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

from benchmarks.harness import messages
from benchmarks.harness.child import start_child
from benchmarks.harness.contenders import Contender, LoopFactory
from benchmarks.harness.open_connections import open_connections
from benchmarks.harness.question import Case, Effort, Metric, Question, Sample
from benchmarks.harness.usage import InstructionCounter, Usage, own_usage

Body = Callable[[asyncio.AbstractEventLoop, Case], Awaitable[None]]
Check = Callable[[asyncio.AbstractEventLoop], Awaitable[None]]

MINIMUM_REPETITIONS = 3

METRICS = (
    Metric("ns", "ns/op", "lower", digits=1, compared=True),
    Metric("cpu_ns", "cpu ns/op", "lower", digits=1, compared=True),
    Metric("user_us", "user us", "lower", digits=3),
    Metric("system_us", "sys us", "lower", digits=3),
    Metric("instructions", "instr/op", "lower", digits=0),
)


class SchedulerQuestion(Question):
    """A body that does `case.parameters["operations"]` operations.

    Args:
        check: raises checks.WorkNotDoneError on a loop that does not do what the body asks for.
    """

    metrics = METRICS

    def __init__(self, body: Body, cases: Sequence[Case], check: Check | None = None) -> None:
        self._body = body
        self._check = check
        self.cases = cases

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        with start_child(self, contender, case, effort) as process:
            return dict(process.receive())

    def run_child(self, factory: LoopFactory, case: Case, seconds: float) -> None:
        loop = factory()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(self._report(loop, case, seconds))
        loop.close()

    async def _report(self, loop: asyncio.AbstractEventLoop, case: Case, seconds: float) -> None:
        meter = Meter()
        async with contextlib.AsyncExitStack() as stack:
            if "connections" in case.parameters:
                await stack.enter_async_context(open_connections(loop, case.number("connections")))
            if self._check is not None:
                await self._check(loop)
            await self._body(loop, case)  # the warm-up
            end = time.perf_counter() + seconds
            while len(meter.times_ns) < MINIMUM_REPETITIONS or time.perf_counter() < end:
                gc.collect()
                with meter:
                    await self._body(loop, case)
        messages.send(meter.sample(case.number("operations")))


class Meter:
    """Adds up what the blocks under `with` take, and nothing of what is between them."""

    def __init__(self) -> None:
        self.times_ns: list[int] = []
        self._cpu_times_ns: list[int] = []
        self._used = Usage(0, 0)
        self._instructions: float | None = 0
        self._counter = InstructionCounter()

    def __enter__(self) -> None:
        self._instructions_before = self._counter.read()
        self._usage_before = own_usage()
        self._cpu_start_ns = time.process_time_ns()
        self._start_ns = time.perf_counter_ns()

    def __exit__(self, *_error: object) -> None:
        self.times_ns.append(time.perf_counter_ns() - self._start_ns)
        self._cpu_times_ns.append(time.process_time_ns() - self._cpu_start_ns)
        self._used += own_usage() - self._usage_before
        now = self._counter.read()
        if now is None or self._instructions_before is None or self._instructions is None:
            self._instructions = None
        else:
            self._instructions += now - self._instructions_before

    def sample(self, operations: int) -> Sample:
        """Return the figures per operation, for blocks of so many operations."""
        total = operations * len(self.times_ns)
        sample = {
            "ns": statistics.median(self.times_ns) / operations,
            "cpu_ns": statistics.median(self._cpu_times_ns) / operations,
            **self._used.per(total),
        }
        if self._instructions is not None:
            sample["instructions"] = self._instructions / total
        return sample


def operations(count: int, **parameters: int) -> Case:
    """Name a case by what it repeats: `200k`, `1-connection-100k`, `100-tasks-100k`."""
    extra = [f"{value}-{name[:-1] if value == 1 else name}" for name, value in parameters.items()]
    numbers: Mapping[str, int] = {"operations": count, **parameters}
    return Case("-".join([*extra, short_count(count)]), numbers)


def short_count(count: int) -> str:
    """Write 200000 as 200k."""
    for unit, letter in ((1_000_000, "M"), (1000, "k")):
        if count >= unit and count % unit == 0:
            return f"{count // unit}{letter}"
    return str(count)
