"""Questions about an echo server: a C client loads it from the other core.

The server runs in a process of its own, serves until it is killed, and does nothing else. A C
epoll server takes part as the limit of the machine: `of_limit` is the rate of a contender over
the C server's rate of the same round. CPU time is that of the server process from the moment it
announced its port, over all requests, those of the warm-up included.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.harness import messages
from benchmarks.harness.child import start_child
from benchmarks.harness.contenders import Contender, LoopFactory
from benchmarks.harness.cores import measured_core
from benchmarks.harness.load import generate_load, load_program
from benchmarks.harness.process import MeasuredProcess
from benchmarks.harness.question import Case, Effort, Metric, Question, Sample
from benchmarks.harness.usage import InstructionCounter, Usage, own_usage

# Starts a server and returns its address: a host and a port, or the path of a Unix socket and 0.
Address = tuple[str, int]
StartServer = Callable[[asyncio.AbstractEventLoop, Case], Awaitable[Address]]

HOST = "127.0.0.1"
BACKLOG = 4096
SETTLING_BYTES = 8 << 20  # well above the largest receive buffer of any loop
C_SERVER = Contender("C epoll", role="limit")

METRICS = (
    Metric("rate", "req/s", "higher", digits=0, compared=True),
    Metric("of_limit", "of C", "higher", digits=2),
    Metric("p50_us", "p50 us", "lower", digits=0),
    Metric("p99_us", "p99 us", "lower", digits=0),
    Metric("p999_us", "p99.9 us", "lower", digits=0),
    Metric("cpu_us", "cpu us", "lower", digits=2, compared=True),
    Metric("user_us", "user us", "lower", digits=2, compared=True),
    Metric("system_us", "sys us", "lower", digits=2),
    Metric("instructions", "instr/req", "lower", digits=0),
)


class EchoQuestion(Question):
    """A way to write an echo server with asyncio.

    Args:
        limit: the C program that does the same, with its arguments.
    """

    metrics = METRICS
    generator = "generator"

    def __init__(
        self,
        start_server: StartServer,
        cases: Sequence[Case],
        limit: Sequence[str] = ("echo_server",),
    ) -> None:
        self._start_server = start_server
        self._limit = limit
        self.cases = cases

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        return (C_SERVER, *loops)

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        with self._start(contender, case, effort) as server:
            ready = server.receive()
            counter = InstructionCounter(server.pid)
            with server.blamed():
                load = self._load((ready["host"], ready["port"]), case, effort)
            instructions = counter.read()
            counter.close()
            used = server.kill() - Usage(ready["user"], ready["system"])
            _remove_socket_file(ready["host"])
        sample = {name: load[name] for name in ("rate", "p50_us", "p99_us", "p999_us")}
        sample.update(used.per(load["all_requests"]))
        if instructions is not None:
            sample["instructions"] = instructions / load["all_requests"]
        return sample

    def run_child(self, factory: LoopFactory, case: Case, seconds: float) -> None:
        settle_heap()
        loop = factory()
        asyncio.set_event_loop(loop)
        announce(loop.run_until_complete(self._start_server(loop, case)))
        loop.run_forever()

    def complete_round(self, samples: Mapping[str, Sample]) -> Mapping[str, Sample]:
        limit = samples.get(C_SERVER.name)
        if limit is None:
            return samples
        return {
            name: {**sample, "of_limit": sample["rate"] / limit["rate"]}
            for name, sample in samples.items()
        }

    def _start(self, contender: Contender, case: Case, effort: Effort) -> MeasuredProcess:
        if contender is not C_SERVER:
            return start_child(self, contender, case, effort)
        program, *arguments = self._limit
        command = [load_program(program), *arguments]
        return MeasuredProcess(command, measured_core(), effort.limit_seconds)

    def _load(self, address: Address, case: Case, effort: Effort) -> messages.Message:
        connections, size = case.number("connections"), case.number("size")
        mode = str(case.parameters["mode"])
        return generate_load(*address, connections, size, mode, effort, self.generator)


def _remove_socket_file(host: str) -> None:
    """Remove what a killed server on a Unix socket has left."""
    if host.startswith("/"):
        Path(host).unlink()


def settle_heap() -> None:
    """Put glibc's malloc into the state of a program that has run for a while.

    malloc maps and unmaps every block above 128 KiB until one such block has been freed; then it
    raises that threshold to the block's size. asyncio receives into a fresh 256 KiB object that it
    shrinks at once, which never counts as freeing a large block: in a small program it pays 20 us
    of page faults per request, in one that has ever freed a large object (measured: glibc 2.36) it
    does not. A comparison should not be won by this chance, so it is taken away for all loops.
    """
    bytearray(SETTLING_BYTES)  # made and freed at once


def announce(address: Address) -> None:
    """Tell the measuring process where the server listens and what starting it has cost."""
    used = own_usage()
    host, port = address
    messages.send({"host": host, "port": port, "user": used.user, "system": used.system})


def echo_case(size: int, connections: int, mode: str = "keep", optional: bool = False) -> Case:
    """Name a case by size and connections, as in 1KiB-32."""
    short = f"{size // 1024}KiB" if size % 1024 == 0 else f"{size}B"
    name = f"{short}-{connections}" if mode == "keep" else f"{mode}-{short}-{connections}"
    return Case(name, {"size": size, "connections": connections, "mode": mode}, optional)


def echo_grid() -> list[Case]:
    """Return the sizes and connection counts every kind of echo is measured at."""
    sizes = (64, 1024, 102_400)
    usual = [echo_case(size, count) for size in sizes for count in (1, 32)]
    return [*usual, *(echo_case(size, 1000, optional=True) for size in sizes)]
