"""Questions about the HTTP engine alone: one process of each server, over one connection's life.

The engine is started by this file as a program; nginx, if it is installed, answers by itself what
the others ask their application for: it shows what the machine allows.
"""

import argparse
import asyncio
import contextlib
import importlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.harness.applications import HELLO, LARGE
from benchmarks.harness.contenders import Contender
from benchmarks.harness.cores import load_core
from benchmarks.harness.echo import HOST
from benchmarks.harness.load import BUILD, WARMUP_SHARE, load_program
from benchmarks.harness.prefork_http import METRICS, ServersQuestion
from benchmarks.harness.process import MeasuredProcess
from benchmarks.harness.processes import cpu_seconds_between, cpu_times, settled_cpu_times
from benchmarks.harness.question import Case, CaseFailedError, Effort, Metric, Sample
from benchmarks.harness.servers import (
    NGXLOOP_ARGUMENTS,
    SERVERS,
    Server,
    running_http,
    server_versions,
)

CONNECTION_COUNT = 64
KEEPALIVE_REQUESTS = 1_000_000_000  # nobody closes connections meanwhile

NGINX_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    keepalive_requests {requests};
    large_client_header_buffers 4 16k;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    default_type text/plain;
    sendfile on;
    tcp_nopush on;
    open_file_cache max=10;
    server {{
        listen {host}:{port} backlog=2048;
        root {folder};
        location = / {{ return 200 "{hello}"; }}
        location = /echo {{ return 200 "{hello}"; }}
    }}
}}
"""


@dataclass(frozen=True)
class Nginx(Server):
    """nginx, which serves no application."""

    def command(self, app: str, port: int, workers: int, *more: str) -> list[str]:
        """Write its configuration; return the command line."""
        program = shutil.which("nginx")
        if program is None:
            raise CaseFailedError("nginx is not installed")
        folder = BUILD / "nginx"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "large").write_bytes(LARGE)
        text = NGINX_CONFIGURATION.format(
            folder=folder, host=HOST, port=port, hello=HELLO.decode(), requests=KEEPALIVE_REQUESTS
        )
        (folder / "nginx.conf").write_text(text)
        return [program, "-p", str(folder), "-c", str(folder / "nginx.conf")]


ENGINE = Server(
    "ngxloop.http",
    role="subject",
    loop="ngxloop",
    module="benchmarks.harness.http_engine",
    arguments="--host {host} --port {port}",
)
WORKER = Server(
    "ngxloop asgi",
    role="subject",
    loop="ngxloop",
    module="ngxloop.cli",
    arguments=f"{NGXLOOP_ARGUMENTS} --interface asgi --keepalive-requests {KEEPALIVE_REQUESTS}",
)
NGINX = Nginx("nginx", role="limit")
PEERS = ("uvicorn asyncio", "uvicorn", "granian", "hypercorn")


class EngineQuestion(ServersQuestion):
    """What a request costs one process."""

    metrics = METRICS
    peers: Sequence[str] = PEERS

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        chosen = {loop.name for loop in loops}
        servers = [server for server in SERVERS if server.name in self.peers]
        limit = [NGINX] if shutil.which("nginx") else []
        subjects = [server for server in (ENGINE, WORKER) if server.loop in chosen]
        return [*(server for server in servers if server.loop in chosen), *limit, *subjects]

    def versions(self, contenders: Sequence[Contender]) -> dict[str, str]:
        return server_versions([one for one in contenders if one not in (ENGINE, NGINX)])

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        assert isinstance(contender, Server)
        with running_http(contender, "paths", effort) as server:
            before = settled_cpu_times(server.pid)
            with server.process.blamed():
                figures = _load(server.port, case, effort)
            used = cpu_seconds_between(before, cpu_times(server.pid))
        return {
            **{name: figures[name] for name in ("rate", "p50_us", "p99_us", "lost")},
            "cpu_us": used / figures["all_requests"] * 1e6,
        }


class LatencyQuestion(EngineQuestion):
    """How long a request takes at a rate that no server finds hard: the same for all."""

    metrics = (
        Metric("rate", "req/s", "higher", digits=0),
        Metric("p50_us", "p50 us", "lower", digits=0, compared=True),
        Metric("p99_us", "p99 us", "lower", digits=0, compared=True),
        Metric("p999_us", "p99.9 us", "lower", digits=0),
        Metric("cpu_us", "cpu us", "lower", digits=1),
        Metric("late", "late", "lower", digits=0),
        Metric("lost", "lost", "lower", digits=0),
    )
    peers = ("granian",)

    def __init__(self, cases: Sequence[Case]) -> None:
        super().__init__(cases)
        self._contenders: Sequence[Contender] = ()
        self._rate = 0
        self._measured: set[str] = set()  # in this round

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        self._contenders = super().contenders(loops)
        return self._contenders

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        if not self._rate or contender.name in self._measured:
            self._begin_round(case, effort)
        self._measured.add(contender.name)
        assert isinstance(contender, Server)
        with running_http(contender, "paths", effort) as server:
            before = settled_cpu_times(server.pid)
            with server.process.blamed():
                figures = _load(server.port, case, effort, self._rate)
            used = cpu_seconds_between(before, cpu_times(server.pid))
        names = ("rate", "p50_us", "p99_us", "p999_us", "late", "lost")
        return {
            **{name: figures[name] for name in names},
            "cpu_us": used / figures["all_requests"] * 1e6,
        }

    def _begin_round(self, case: Case, effort: Effort) -> None:
        """Take half of what the slowest contender answers in a closed loop, on this machine now."""
        rates = []
        for contender in self._contenders:
            if contender is not NGINX:
                with contextlib.suppress(CaseFailedError):  # it fails again when it is measured
                    rates.append(super().measure(contender, case, effort)["rate"])
        if not rates:
            raise CaseFailedError("no server answers")
        self._rate = int(min(rates) / 2)
        self._measured.clear()


def _load(port: int, case: Case, effort: Effort, rate: int | None = None) -> Sample:
    numbers = (port, CONNECTION_COUNT, effort.seconds, effort.seconds * WARMUP_SHARE)
    kind = [str(case.parameters["kind"]), str(case.parameters.get("depth", 1))]
    kind += [] if rate is None else [str(rate)]
    command = [load_program("http_generator"), HOST, *map(str, numbers), *kind]
    with MeasuredProcess(command, load_core(), effort.limit_seconds) as process:
        return dict(process.receive())


def main() -> None:
    """Serve an application of a module on the engine: MODULE:NAME --host HOST --port PORT."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("application")
    parser.add_argument("--host")
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    module, _, name = arguments.application.partition(":")
    application = getattr(importlib.import_module(module), name)

    from ngxloop import http, run  # noqa: PLC0415 - the harness runs without ngxloop, too

    async def serve() -> None:
        options = http.Options(keepalive_requests=KEEPALIVE_REQUESTS)
        await http.serve(application, arguments.host, arguments.port, options=options)

    try:
        run(serve())
    except (KeyboardInterrupt, asyncio.CancelledError):
        return


if __name__ == "__main__":
    main()
