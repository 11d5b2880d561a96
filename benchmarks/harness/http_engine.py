"""Questions about the HTTP engine alone: one process of each server, over one connection's life.

The engine is started by this file as a program; nginx, if it is installed, answers by itself what
the others ask their application for: it shows what the machine allows.
"""

import argparse
import asyncio
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
from benchmarks.harness.question import Case, CaseFailedError, Effort, Sample
from benchmarks.harness.servers import SERVERS, Server, running_http, server_versions

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
NGINX = Nginx("nginx", role="limit")
PEERS = ("uvicorn asyncio", "uvicorn", "granian", "hypercorn")


class EngineQuestion(ServersQuestion):
    """What a request costs one process."""

    metrics = METRICS

    def contenders(self, loops: Sequence[Contender]) -> Sequence[Contender]:
        chosen = {loop.name for loop in loops}
        peers = [server for server in SERVERS if server.name in PEERS and server.loop in chosen]
        limit = [NGINX] if shutil.which("nginx") else []
        return [*peers, *limit, *([ENGINE] if ENGINE.loop in chosen else [])]

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


def _load(port: int, case: Case, effort: Effort) -> Sample:
    numbers = (port, CONNECTION_COUNT, effort.seconds, effort.seconds * WARMUP_SHARE)
    kind = (str(case.parameters["kind"]), str(case.parameters.get("depth", 1)))
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
