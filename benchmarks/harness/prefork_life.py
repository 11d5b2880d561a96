"""Questions about what a prefork master replaces: all its workers, or one that was killed.

The answers of the application name the worker, so the client sees who serves. It asks on new
connections, several at once, because that is what reaches every worker; meanwhile it counts what
fails.
"""

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence

from benchmarks.harness.contenders import Contender
from benchmarks.harness.cores import load_core, running_on
from benchmarks.harness.echo import HOST
from benchmarks.harness.prefork_http import ServersQuestion
from benchmarks.harness.processes import has_ended
from benchmarks.harness.question import Case, CaseFailedError, Effort, Metric, Sample
from benchmarks.harness.servers import (
    CONNECT_SECONDS,
    RunningServer,
    Server,
    running_asgi,
)

REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
AT_ONCE = 8  # connections
RECEIVE_BYTES = 4096
REPLACE_SECONDS = 30.0  # when a server is given up
# How old a worker is when it is killed, in times of --seconds: with 1 s it is older than the 5 s
# below which ngxloop-serve takes a death for a failed start, and waits before the next one.
AGE_SHARE = 6.0

METRICS = (
    Metric("started_ms", "started ms", "lower", digits=0, compared=True),
    Metric("first_ms", "answers ms", "lower", digits=0, compared=True),
    Metric("gone_ms", "old gone ms", "lower", digits=0),
    Metric("requests", "requests", "higher", digits=0),
    Metric("failed", "failed", "lower", digits=0),
)


class LifeQuestion(ServersQuestion):
    """How long it takes until new workers serve; the case's `signal` is HUP or KILL."""

    metrics = METRICS

    def measure(self, contender: Contender, case: Case, effort: Effort) -> Sample:
        workers = case.number("workers")
        is_reload = case.parameters["signal"] == "HUP"
        assert isinstance(contender, Server)
        if is_reload and not contender.reloads:
            raise CaseFailedError("HUP does not make it reload")
        with running_asgi(contender, "who", workers, effort) as server, running_on(load_core()):
            old = server.started_pids()
            if is_reload:
                change = Change(server, old, leaving=old, wanted=workers)
                return change.measure(lambda: os.kill(server.pid, signal.SIGHUP))
            time.sleep(effort.seconds * AGE_SHARE)  # an age is a time: there is no event
            change = Change(server, old, leaving=old[-1:], wanted=1)
            return change.measure(lambda: os.kill(old[-1], signal.SIGKILL))


class Change:
    """Workers go, others come.

    Args:
        old: the workers before it.
        leaving: those of them that end.
        wanted: how many new ones come.
    """

    def __init__(
        self, server: RunningServer, old: Sequence[int], leaving: Sequence[int], wanted: int
    ) -> None:
        self._server = server
        self._old = frozenset(old)
        self._leaving = leaving
        self._wanted = wanted
        self._client = Client(server.port)

    def measure(self, cause: Callable[[], None]) -> Sample:
        """Cause it, ask until it is over, and return what was seen when."""
        self._client.ask()
        begin = time.monotonic()
        cause()
        moments: Sample = {}
        with self._server.process.blamed():
            while len(moments) < len(self._conditions()):
                self._client.ask()
                for name, condition in self._conditions().items():
                    if name not in moments and condition():
                        moments[name] = (time.monotonic() - begin) * 1000
                if time.monotonic() > begin + REPLACE_SECONDS:
                    missing = self._conditions().keys() - moments.keys()
                    raise CaseFailedError(f"not after {REPLACE_SECONDS:.0f} s: {sorted(missing)}")
        return {**moments, "requests": self._client.asked, "failed": self._client.failed}

    def _conditions(self) -> dict[str, Callable[[], bool]]:
        return {
            "started_ms": lambda: len(self._new()) >= self._wanted,
            "first_ms": lambda: bool(self._client.served & self._new()),
            "gone_ms": lambda: all(has_ended(pid) for pid in self._leaving),
        }

    def _new(self) -> set[int]:
        return set(self._server.started_pids()) - self._old


class Client:
    """Asks on new connections, remembers who answered and counts what failed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.served: set[int] = set()
        self.asked = 0
        self.failed = 0

    def ask(self) -> None:
        """Send requests on several connections at once, and wait for all the answers."""
        with contextlib.ExitStack() as stack:
            sockets: list[socket.socket] = []
            for _ in range(AT_ONCE):
                self.asked += 1
                with self._counting():
                    sockets.append(stack.enter_context(self._connect()))
            for sock in sockets:
                with self._counting():
                    self.served.add(_receive_pid(sock))

    def _connect(self) -> socket.socket:
        sock = socket.create_connection((HOST, self._port), CONNECT_SECONDS)
        sock.sendall(REQUEST)
        return sock

    @contextlib.contextmanager
    def _counting(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError):  # refused, reset, timed out; no whole answer
            self.failed += 1


def _receive_pid(sock: socket.socket) -> int:
    answer = b""
    while data := sock.recv(RECEIVE_BYTES):
        answer += data
    return int(answer.partition(b"\r\n\r\n")[2])
