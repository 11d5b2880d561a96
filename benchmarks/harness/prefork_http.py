"""Questions about a prefork HTTP server: a C client loads all its workers at once."""

from collections.abc import Sequence

from benchmarks.harness.contenders import Contender, LoopFactory
from benchmarks.harness.cores import load_core
from benchmarks.harness.echo import HOST
from benchmarks.harness.load import WARMUP_SHARE, load_program
from benchmarks.harness.process import MeasuredProcess
from benchmarks.harness.processes import cpu_seconds_between, cpu_times, settled_cpu_times
from benchmarks.harness.question import Case, Effort, Metric, Question, Sample
from benchmarks.harness.servers import running_asgi, server_versions, servers_on

METRICS = (
    Metric("rate", "req/s", "higher", digits=0, compared=True),
    Metric("p50_us", "p50 us", "lower", digits=0),
    Metric("p99_us", "p99 us", "lower", digits=0),
    Metric("cpu_us", "cpu us", "lower", digits=1, compared=True),
    Metric("lost", "lost", "lower", digits=0),
)


class ServersQuestion(Question):
    """The base of all questions about servers, which are programs of their own."""

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        return servers_on(loops)

    def versions(self, contenders: Sequence[Contender]) -> dict[str, str]:
        return server_versions(contenders)

    def run_child(self, factory: LoopFactory, case: Case, seconds: float) -> None:
        raise AssertionError("a server is started by its own command")


class HttpQuestion(ServersQuestion):
    """How many requests a number of workers answers, over connections that stay open."""

    metrics = METRICS

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        with running_asgi(contender, "hello", case.number("workers"), effort) as server:
            before = settled_cpu_times(server.pid)
            with server.process.blamed():
                figures = _load(server.port, case.number("connections"), effort)
            used = cpu_seconds_between(before, cpu_times(server.pid))
        return {
            **{name: figures[name] for name in ("rate", "p50_us", "p99_us", "lost")},
            "cpu_us": used / figures["all_requests"] * 1e6,
        }


def _load(port: int, connections: int, effort: Effort) -> Sample:
    numbers = (port, connections, effort.seconds, effort.seconds * WARMUP_SHARE)
    command = [load_program("http_generator"), HOST, *map(str, numbers)]
    with MeasuredProcess(command, load_core(), effort.limit_seconds) as process:
        return dict(process.receive())
