"""The prefork servers that are compared, and one of them while it runs.

A server takes part if the event loop that it is given does: `--loops ngxloop,uvloop` leaves out
what runs on asyncio. One that is not installed fails its cases with that reason.
"""

import contextlib
import importlib.util
import json
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.harness.applications import READY_VARIABLE
from benchmarks.harness.contenders import Contender
from benchmarks.harness.cores import server_cores
from benchmarks.harness.echo import HOST
from benchmarks.harness.process import MeasuredProcess, python_command
from benchmarks.harness.question import START_SECONDS, CaseFailedError, Effort

APPLICATIONS = "benchmarks.harness.applications"
LOOK_SECONDS = 0.002
CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Server(Contender):
    """A way to start a server; {host}, {port}, {workers} and {app} stand in the arguments."""

    loop: str = ""
    module: str = ""
    arguments: str = ""
    reloads: bool = True  # HUP replaces its workers

    def command(self, app: str, port: int, workers: int, *more: str) -> list[str]:
        """Return the command line; CaseFailedError if something is not installed."""
        for package in (self.module.partition(".")[0], self.loop):
            if importlib.util.find_spec(package) is None:
                raise CaseFailedError(f"{package} is not installed")
        filled = self.arguments.format(host=HOST, port=port, workers=workers)
        return python_command(self.module, f"{APPLICATIONS}:{app}", *filled.split(), *more)


UVICORN_ARGUMENTS = (
    "--host {host} --port {port} --workers {workers} --no-access-log --log-level warning --loop "
)
GUNICORN_ARGUMENTS = (
    "--bind {host}:{port} --workers {workers} --worker-class asgi --asgi-loop uvloop"
    " --log-level warning --no-control-socket"
)
GRANIAN_ARGUMENTS = (
    "--host {host} --port {port} --workers {workers} --interface asgi --loop uvloop"
    " --no-access-log --log-level warning"
)
HYPERCORN_ARGUMENTS = (
    "--bind {host}:{port} --workers {workers} --worker-class uvloop --log-level WARNING"
)
NGXLOOP_ARGUMENTS = "--bind {host}:{port} --workers {workers} --log-level warning"
SERVERS = (
    Server(
        "uvicorn asyncio", loop="asyncio", module="uvicorn", arguments=UVICORN_ARGUMENTS + "asyncio"
    ),
    Server("uvicorn", loop="uvloop", module="uvicorn", arguments=UVICORN_ARGUMENTS + "uvloop"),
    Server("gunicorn", loop="uvloop", module="gunicorn", arguments=GUNICORN_ARGUMENTS),
    Server("granian", loop="uvloop", module="granian", arguments=GRANIAN_ARGUMENTS),
    Server(
        "hypercorn",
        loop="uvloop",
        module="hypercorn",
        arguments=HYPERCORN_ARGUMENTS,
        reloads=False,
    ),
    Server(
        "ngxloop-serve",
        role="subject",
        loop="ngxloop",
        module="ngxloop.cli",
        arguments=NGXLOOP_ARGUMENTS,
    ),
)
NGXLOOP_SERVE = SERVERS[-1]


def servers_on(loops: Sequence[Contender]) -> list[Contender]:
    """Return the servers whose event loop is among the chosen ones."""
    chosen = {loop.name for loop in loops}
    return [server for server in SERVERS if server.loop in chosen]


def server_versions(servers: Sequence[Contender]) -> dict[str, str]:
    """Return the versions of those that are installed."""
    modules = {
        server.name: server.module.partition(".")[0]
        for server in servers
        if isinstance(server, Server)
    }
    return {
        name: metadata.version(module)
        for name, module in modules.items()
        if module != "ngxloop" and importlib.util.find_spec(module) is not None
    }


class RunningServer:
    """A server with all its workers."""

    def __init__(self, process: MeasuredProcess, port: int, folder: Path) -> None:
        self.process = process
        self.port = port
        self._folder = folder

    @property
    def pid(self) -> int:
        """The master."""
        return self.process.pid

    def started_pids(self) -> list[int]:
        """Return the workers that have started so far, dead ones included, the oldest first."""
        return [int(line) for line in ready_file(self._folder).read_text().split()]

    def status(self) -> dict[str, Any] | None:
        """Ask ngxloop-serve how things are; None as long as it does not answer."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(CONNECT_SECONDS)
            try:
                sock.connect(str(control_file(self._folder)))
            except (FileNotFoundError, ConnectionRefusedError):
                return None
            sock.sendall(b'{"command": "status"}\n')
            with sock.makefile("rb") as stream:
                answer = json.loads(stream.readline())
        return dict(answer["result"])

    def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for something; CaseFailedError if it does not come, or the server ends.

        Of what /proc says of other processes, and of a port that is not open yet, no event tells:
        it can only be looked at again.
        """
        deadline = time.monotonic() + START_SECONDS
        with self.process.blamed():
            while not condition():
                if time.monotonic() > deadline:
                    raise CaseFailedError(f"not in {START_SECONDS:.0f} s: {what}")
                time.sleep(LOOK_SECONDS)


@contextlib.contextmanager
def running_asgi(
    server: Contender, app: str, workers: int, effort: Effort
) -> Iterator[RunningServer]:
    """Run a server until the block ends; all its workers have started."""
    # As the other servers, which serve nothing else or are told on their command lines.
    more = ("--interface", "asgi-uvicorn") if server is NGXLOOP_SERVE else ()
    with _running(server, app, workers, effort, *more) as running:
        running.until(
            lambda: len(set(running.started_pids())) >= workers, f"{workers} workers have started"
        )
        running.until(lambda: _accepts(running.port), "it accepts a connection")
        yield running


@contextlib.contextmanager
def running_http(server: Server, app: str, effort: Effort) -> Iterator[RunningServer]:
    """Run a server in one process, or with one worker, until the block ends; it has started."""
    with _running(server, app, 1, effort) as running:
        if server.module:
            running.until(running.started_pids, "it has started")
        running.until(lambda: _accepts(running.port), "it accepts a connection")
        yield running


@contextlib.contextmanager
def running_protocol(
    app: str, accept: str, workers: int, effort: Effort
) -> Iterator[RunningServer]:
    """Run ngxloop-serve with a protocol and an accept mode until the block ends."""
    with _running(NGXLOOP_SERVE, app, workers, effort, "--accept", accept) as running:
        running.until(lambda: _ready_count(running) == workers, f"{workers} workers are ready")
        yield running


def ready_file(folder: Path) -> Path:
    """Return where the workers of the ASGI applications write their process ids."""
    return folder / "ready"


def control_file(folder: Path) -> Path:
    """Return where ngxloop-serve has its control socket."""
    return folder / "control"


@contextlib.contextmanager
def _running(
    server: Contender, app: str, workers: int, effort: Effort, *more: str
) -> Iterator[RunningServer]:
    assert isinstance(server, Server)
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        ready_file(folder).touch()
        if server is NGXLOOP_SERVE:
            more = (*more, "--control-socket", str(control_file(folder)))
        port = _free_port()
        # Some log to stdout, where a measured process sends messages.
        command = ["sh", "-c", 'exec "$0" "$@" >&2', *server.command(app, port, workers, *more)]
        limit_seconds = effort.limit_seconds + START_SECONDS
        variables = {READY_VARIABLE: str(ready_file(folder))}
        with MeasuredProcess(command, server_cores(), limit_seconds, variables) as process:
            yield RunningServer(process, port, folder)


def _ready_count(running: RunningServer) -> int:
    status = running.status()
    return sum(one["state"] == "ready" for one in status["workers"]) if status else 0


def _accepts(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), CONNECT_SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True


def _free_port() -> int:
    """Return a port that the kernel has just found free; not all servers tell theirs."""
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])
