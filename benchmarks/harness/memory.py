"""Questions about memory: a server holds idle connections, and says how large it is.

The C program `hold` opens the connections from another process. The server reads its own size
when the last of them has arrived, so that nothing is guessed by waiting.
"""

import asyncio
import gc
import resource
from pathlib import Path

from benchmarks.harness import messages
from benchmarks.harness.child import start_child
from benchmarks.harness.contenders import Contender, LoopFactory
from benchmarks.harness.cores import load_core
from benchmarks.harness.echo import BACKLOG, HOST, announce
from benchmarks.harness.load import load_program
from benchmarks.harness.process import MeasuredProcess
from benchmarks.harness.question import Case, CaseFailedError, Effort, Metric, Question, Sample

FIRST_CONNECTIONS = 100
SPARE_FDS = 100  # beside the connections: modules, epoll, pipes, the listener

METRICS = (Metric("bytes", "B/connection", "lower", digits=0, compared=True),)


class MemoryQuestion(Question):
    """What a number of further idle connections adds to the server process."""

    metrics = METRICS

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        connections = case.number("connections")
        check_fd_limit(FIRST_CONNECTIONS + connections + SPARE_FDS)
        with start_child(self, contender, case, effort) as server:
            port = server.receive()["port"]
            command = [load_program("hold"), HOST, str(port), str(case.parameters["mode"])]
            with (
                MeasuredProcess(command, load_core(), effort.limit_seconds) as holder,
                server.blamed(),
            ):
                before = _grow(server, holder, FIRST_CONNECTIONS)
                after = _grow(server, holder, connections)
        return {"bytes": (after - before) / connections}

    def run_child(self, factory: LoopFactory, case: Case, seconds: float) -> None:
        loop = factory()
        asyncio.set_event_loop(loop)
        census = Census(loop, FIRST_CONNECTIONS, FIRST_CONNECTIONS + case.number("connections"))
        protocol = {"silent": SilentProtocol, "echo": EchoOnceProtocol}[
            str(case.parameters["mode"])
        ]
        server = loop.run_until_complete(
            loop.create_server(lambda: protocol(census), HOST, 0, backlog=BACKLOG)
        )
        announce((HOST, int(server.sockets[0].getsockname()[1])))
        loop.run_forever()


class Census:
    """Counts connections and reports the memory when a wanted number has been reached."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *wanted: int) -> None:
        self._loop = loop
        self._wanted = frozenset(wanted)
        self._count = 0

    def count(self) -> None:
        """Count one connection; the report waits a turn, until its callbacks have returned."""
        self._count += 1
        if self._count in self._wanted:
            self._loop.call_soon(report_memory)


class SilentProtocol(asyncio.Protocol):
    """Counted when it is connected; nothing is ever received."""

    transport: asyncio.BaseTransport

    def __init__(self, census: Census) -> None:
        self.census = census

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.census.count()


class EchoOnceProtocol(asyncio.Protocol):
    """Counted when its byte has been echoed."""

    transport: asyncio.Transport

    def __init__(self, census: Census) -> None:
        self.census = census

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self.transport.write(data)
        self.census.count()


def memory_case(mode: str, connections: int) -> Case:
    """Name a case by what the connections have done and how many they are."""
    return Case(f"{mode}-{connections}", {"mode": mode, "connections": connections})


def report_memory() -> None:
    """Send the process's share of its memory, after a garbage collection."""
    gc.collect()
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            messages.send({"pss_bytes": int(line.split()[1]) * 1024})


def check_fd_limit(needed: int) -> None:
    """Fail if a process may not have so many open files."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)  # the command line has raised it
    if limit != resource.RLIM_INFINITY and limit < needed:
        raise CaseFailedError(f"needs {needed} open files, the hard limit is {limit} (ulimit -Hn)")


def _grow(server: MeasuredProcess, holder: MeasuredProcess, connections: int) -> int:
    """Open further connections and return the server's memory when it has them all."""
    holder.send_line(str(connections))
    holder.receive()
    return int(server.receive()["pss_bytes"])
