"""Questions about idleness: a server holds connections and timers, and nothing happens."""

import asyncio
import time
from pathlib import Path

from benchmarks.harness import messages
from benchmarks.harness.child import start_child
from benchmarks.harness.contenders import Contender, LoopFactory
from benchmarks.harness.cores import load_core
from benchmarks.harness.echo import BACKLOG, HOST, announce
from benchmarks.harness.load import load_program
from benchmarks.harness.memory import SPARE_FDS, check_fd_limit
from benchmarks.harness.process import MeasuredProcess
from benchmarks.harness.processes import voluntary_switches
from benchmarks.harness.question import Case, Effort, Metric, Question, Sample

FAR_SECONDS = 3600
SETTLING_SECONDS = 0.2  # what is left to do after the last connection

METRICS = (
    Metric("cpu_us", "cpu us/s", "lower", digits=1, compared=True),
    Metric("wakeups", "wake-ups/s", "lower", digits=2),
)


class IdleQuestion(Question):
    """What a number of idle connections and far timers costs in a second."""

    metrics = METRICS

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        connections = case.number("connections")
        check_fd_limit(connections + SPARE_FDS)
        with start_child(self, contender, case, effort) as server:
            port = server.receive()["port"]
            command = [load_program("hold"), HOST, str(port), "silent"]
            with (
                MeasuredProcess(command, load_core(), effort.limit_seconds) as holder,
                server.blamed(),
            ):
                holder.send_line(str(connections))
                holder.receive()
                server.receive()
                time.sleep(SETTLING_SECONDS)  # it sleeps between its last turns, too: no event
                return _watch(server.pid, effort.seconds)

    def run_child(self, factory: LoopFactory, case: Case, seconds: float) -> None:
        loop = factory()
        asyncio.set_event_loop(loop)
        timers = [
            loop.call_later(FAR_SECONDS + i, do_nothing) for i in range(case.number("timers"))
        ]
        counter = Counter(case.number("connections"))
        server = loop.run_until_complete(
            loop.create_server(lambda: CountedProtocol(counter), HOST, 0, backlog=BACKLOG)
        )
        announce((HOST, int(server.sockets[0].getsockname()[1])))
        loop.run_forever()
        del timers


class Counter:
    """Counts connections and says when the last one has come."""

    def __init__(self, wanted: int) -> None:
        self.left = wanted

    def count(self) -> None:
        """Count one connection."""
        self.left -= 1
        if self.left == 0:
            messages.send({"connected": True})


class CountedProtocol(asyncio.Protocol):
    """Counted when it is connected; nothing is ever received."""

    def __init__(self, counter: Counter) -> None:
        self.counter = counter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.counter.count()


def do_nothing() -> None:
    """What the timers would call."""


def _watch(pid: int, seconds: float) -> Sample:
    """Return what a process uses while it is left alone."""
    before_us, before_switches, start = _cpu_us(pid), voluntary_switches(pid), time.monotonic()
    time.sleep(seconds)  # what is measured: a time in which nothing happens
    elapsed = time.monotonic() - start
    return {
        "cpu_us": (_cpu_us(pid) - before_us) / elapsed,
        "wakeups": (voluntary_switches(pid) - before_switches) / elapsed,
    }


def _cpu_us(pid: int) -> float:
    """Return the CPU time of the main thread, which schedstat counts in nanoseconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1000
