"""Questions about how ngxloop-serve's workers share what connects: one contender per accept mode.

All counts are the scoreboard's, and are compared with the client's: a mode that loses a connection
fails the case.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness.contenders import Contender
from benchmarks.harness.cores import load_core
from benchmarks.harness.echo import HOST
from benchmarks.harness.load import generate_load, load_program
from benchmarks.harness.prefork_http import ServersQuestion
from benchmarks.harness.process import MeasuredProcess
from benchmarks.harness.processes import (
    cpu_seconds_between,
    cpu_times,
    is_asleep,
    settled_cpu_times,
    voluntary_switches,
)
from benchmarks.harness.question import Case, CaseFailedError, Effort, Metric, Sample
from benchmarks.harness.servers import NGXLOOP_SERVE, RunningServer, running_protocol

SUBJECT = "fair"
MODES = ("plain", "exclusive", "mutex", "reuseport", SUBJECT)
REQUEST_BYTES = 64

ACCEPT_METRICS = (
    Metric("balance", "max/mean", "lower", compared=True),
    Metric("wakeups", "wake-ups/accept", "lower", compared=True),
    Metric("p50_us", "p50 us", "lower", digits=0),
    Metric("p99_us", "p99 us", "lower", digits=0),
    Metric("drain_ms", "all after ms", "lower", digits=1, compared=True),
    Metric("of_plain", "of plain", "lower"),
)
CHURN_METRICS = (
    Metric("rate", "connections/s", "higher", digits=0, compared=True),
    Metric("p50_us", "p50 us", "lower", digits=0),
    Metric("p99_us", "p99 us", "lower", digits=0),
    Metric("cpu_us", "cpu us", "lower", digits=1, compared=True),
)


class ModesQuestion(ServersQuestion):
    """The base: accept modes are compared, on ngxloop-serve alone."""

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        if NGXLOOP_SERVE.loop not in {loop.name for loop in loops}:
            return ()
        return [Contender(mode, role="subject" if mode == SUBJECT else "peer") for mode in MODES]


class AcceptQuestion(ModesQuestion):
    """How evenly, how fast and with how many wake-ups connections are accepted that stay."""

    metrics = ACCEPT_METRICS

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        workers, connections = case.number("workers"), case.number("connections")
        numbers = (connections, case.number("gap_us"))
        with running_protocol("Greeter", contender.name, workers, effort) as server:
            command = [load_program("burst"), HOST, str(server.port), *map(str, numbers)]
            pids = [one["pid"] for one in _status(server)["workers"]]
            _settle(server, pids)
            switches = _switches(pids)
            with MeasuredProcess(command, load_core(), effort.limit_seconds) as clients:
                with server.process.blamed():
                    figures = clients.receive()
                _settle(server, pids)
                switches = _switches(pids) - switches
                counts = [one["connections"] for one in _status(server)["workers"]]
        _compare("open connections", sum(counts), connections)
        return {
            **figures,
            "balance": max(counts) * workers / connections,
            "wakeups": switches / connections,
        }

    def complete_round(self, samples: Mapping[str, Sample]) -> Mapping[str, Sample]:
        plain = samples.get("plain")
        if plain is None:
            return samples
        return {
            name: {**sample, "of_plain": sample["drain_ms"] / plain["drain_ms"]}
            for name, sample in samples.items()
        }


class ChurnQuestion(ModesQuestion):
    """How many short connections the workers serve, and whether one gets lost."""

    metrics = CHURN_METRICS

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        clients, workers = case.number("clients"), case.number("workers")
        with running_protocol("Echo", contender.name, workers, effort) as server:
            before = settled_cpu_times(server.pid)
            with server.process.blamed():
                figures = generate_load(
                    HOST, server.port, clients, REQUEST_BYTES, "orderly", effort
                )
            used = cpu_seconds_between(before, cpu_times(server.pid))
            server.until(
                lambda: _status(server)["totals"]["connections"] == 0, "all connections are closed"
            )
            accepted = _status(server)["totals"]["accepted"]
        _compare("connections accepted", accepted, figures["all_requests"])
        return {
            **{name: figures[name] for name in ("rate", "p50_us", "p99_us")},
            "cpu_us": used / accepted * 1e6,
        }


def _settle(server: RunningServer, pids: Sequence[int]) -> None:
    """Wait until all workers sleep, and so have nothing to do."""
    server.until(lambda: all(is_asleep(pid) for pid in pids), "all workers sleep")


def _switches(pids: Sequence[int]) -> int:
    return sum(voluntary_switches(pid) for pid in pids)


def _status(server: RunningServer) -> dict[str, Any]:
    status = server.status()
    if status is None:
        raise CaseFailedError("the master does not answer on its control socket")
    return status


def _compare(what: str, told: int, wanted: int) -> None:
    if told != wanted:
        raise CaseFailedError(f"{what}: {told} in the scoreboard, {wanted} for the client")
