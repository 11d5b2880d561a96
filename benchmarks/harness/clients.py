"""Questions about a client: the measured process connects to a C server on the other core."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from benchmarks.harness.contenders import Contender
from benchmarks.harness.cores import load_core
from benchmarks.harness.load import load_program
from benchmarks.harness.process import MeasuredProcess
from benchmarks.harness.question import Case, Effort, Sample
from benchmarks.harness.scheduler import SchedulerQuestion

Body = Callable[[asyncio.AbstractEventLoop, Case, int], Awaitable[None]]


class ClientQuestion(SchedulerQuestion):
    """A body that does `operations` operations against a port of 127.0.0.1."""

    def __init__(self, body: Body, cases: Sequence[Case]) -> None:
        super().__init__(self._run_body, cases)
        self._client_body = body

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        command = [load_program("echo_server")]
        with MeasuredProcess(command, load_core(), effort.limit_seconds) as server:
            port = int(server.receive()["port"])
            named = Case(case.name, {**case.parameters, "port": port}, case.optional)
            with server.blamed():
                return super().measure(contender, named, effort)

    async def _run_body(self, loop: asyncio.AbstractEventLoop, case: Case) -> None:
        await self._client_body(loop, case, case.number("port"))
