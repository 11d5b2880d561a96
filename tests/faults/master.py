"""A running ngxloop-serve whose master is disturbed: what it is asked to do, and what must hold."""

import contextlib
import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ngxloop.serving.admin.requestserver import CONNECTION_SECONDS
from ngxloop.serving.admin.statusline import HEARTBEAT_SECONDS
from tests.faults.injection import Board, Rule
from tests.serving.support import (
    DEADLINE,
    Server,
    connect,
    http_get,
    receive_line,
    status_process,
    wait_gone,
)
from tests.support.waiting import wait_until_blocking

WORKER_COUNT = 2

# Seconds for what is disturbed to show its effect; an answer that never comes is one, too.
PATIENCE = 10.0

# What a client of the master may see while the master is disturbed.
SEEN = (OSError, ValueError, IndexError, AssertionError)


class Master:
    """A server with a status page and a control socket; one process of it is disturbed.

    That is the master, or the process that answers for the status.
    """

    def __init__(self, serve: Callable[..., Server], board: Board, control: Path) -> None:
        self.control = str(control)
        self.board = board
        self.server = serve(
            "plain:Echo",
            *("--workers", str(WORKER_COUNT), "--status-bind", "127.0.0.1:0"),
            *("--control-socket", self.control),
        ).serving()
        host, _, port = self.server.status_address.rpartition(":")
        self.status_address = (host, int(port))
        self._settle()
        # A session may be ending yet.
        self.fd_count = min(len(self.fds(self.server.pid)) for _ in range(100))
        self.status_fd_count = min(len(self.fds(self.status_pid)) for _ in range(100))

    @property
    def status_pid(self) -> int:
        """The process that answers for the status; 0 while there is none."""
        return status_process(self.server.pid)

    @contextlib.contextmanager
    def disturbed(self, fault: str, is_status: bool = False) -> Iterator[None]:
        """Let a call of the master, or of the status process, fail inside the block.

        What was logged before is past.
        """
        self.victim = self.worker_pids()[0]
        self.server.forget_log()
        with self.board.armed(Rule.parse(fault, self.status_pid if is_status else self.server.pid)):
            yield

    def fds(self, pid: int) -> list[str]:
        """Return what a process has open; of the status process only root sees it."""
        found = []
        with contextlib.suppress(PermissionError, FileNotFoundError):
            for path in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(FileNotFoundError):  # a session has just ended
                    found.append(os.readlink(path))
        return sorted(found)

    def _is_quiet(self) -> bool:
        return (
            len(self.fds(self.server.pid)) <= self.fd_count
            and len(self.fds(self.status_pid)) <= self.status_fd_count
        )

    def _describe_fds(self) -> str:
        ours, its = self.fds(self.server.pid), self.fds(self.status_pid)
        return (
            f"the {self.fd_count} descriptors of the master and {self.status_fd_count} of the "
            f"status process; there are {ours} and {its}"
        )

    def quiet(self) -> None:
        """Wait until no session is open any more, or as long as one may last."""
        with contextlib.suppress(TimeoutError):
            wait_until_blocking(self._is_quiet, deadline=CONNECTION_SECONDS)

    def status(self) -> dict:
        """Return the status page's figures."""
        code, body = http_get(self.status_address, "/status.json")
        assert code == 200
        return json.loads(body)

    def worker_pids(self) -> list[int]:
        """Return the workers that are ready, as the master says."""
        return [w["pid"] for w in self.status()["workers"] if w.get("state") == "ready"]

    def check(self) -> None:
        """Raise unless the undisturbed master is alive and everything is as at the start."""
        self._settle()
        with connect(self.server.address) as sock:
            assert receive_line(sock)
            sock.sendall(b"still there\n")
            assert receive_line(sock) == b"still there\n"
        wait_until_blocking(self._answers_control, "an answer on the control socket", PATIENCE)
        wait_until_blocking(self._is_quiet, self._describe_fds(), PATIENCE)

    def _answers_control(self) -> bool:
        with contextlib.suppress(OSError):
            return b"workers" in ask(self.control, b'{"command": "status"}\n')
        return False

    def _settle(self) -> None:
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            code = self.server._process.poll()
            assert code is None, f"the master has ended with code {code}"
            with contextlib.suppress(*SEEN):
                if len(self.worker_pids()) == WORKER_COUNT:
                    return
            time.sleep(0.05)
        raise AssertionError("the workers are not complete")


def ask(path: str, line: bytes) -> bytes:
    """Ask the control socket, and return its answer."""
    with connect(path) as sock:
        sock.settimeout(PATIENCE)
        sock.sendall(line)
        return receive_line(sock)


def ask_status(master: Master) -> None:
    """Ask for the status page, once."""
    with contextlib.suppress(*SEEN), connect(master.status_address) as sock:
        sock.settimeout(PATIENCE)
        sock.sendall(b"GET /status.json HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")
        while sock.recv(65536):
            continue


def report(master: Master) -> None:
    """Ask for the status page until the master reports: not if a fault has cost its last answer.

    The process then asks again after a heartbeat.
    """
    end = time.monotonic() + 3 * HEARTBEAT_SECONDS
    ask_status(master)
    while not master.board.hits() and time.monotonic() < end:
        ask_status(master)


def ask_control(master: Master) -> None:
    """Ask the control socket, once."""
    with contextlib.suppress(*SEEN):
        ask(master.control, b'{"command": "status"}\n')


def respawn(master: Master) -> None:
    """Kill a worker and wait for its replacement, or for the master to give up for now."""
    os.kill(master.victim, signal.SIGKILL)
    master.server.logged(r"ready \(process|cannot fork|failed", PATIENCE)


def reload(master: Master) -> None:
    """Reload, or be told that it failed."""
    master.server.send(signal.SIGHUP)
    master.server.logged(r"reloaded: |reload failed|cannot reload|cannot fork|failed", PATIENCE)


def upgrade(master: Master) -> None:
    """Start a new master, and end it again; or be told that it failed."""
    master.server.send(signal.SIGUSR2)
    found = master.server.logged(
        r"new master \(process (\d+)\) serves|no upgrade|upgrade failed|cannot upgrade|goes on",
        PATIENCE,
    )
    if found.group(1):
        os.kill(int(found.group(1)), signal.SIGQUIT)
        wait_gone(int(found.group(1)))
        master.server.logged("this one continues", PATIENCE)


IN_STATUS_PROCESS = frozenset({"ask_status"})  # the other actions disturb the master

ACTIONS: dict[str, Callable[[Master], None]] = {
    action.__name__: action
    for action in (ask_status, report, ask_control, respawn, reload, upgrade)
}


def disturb(make: Callable[[], Master], action: str, faults: list[str], depth: int) -> list[str]:
    """Try CALL:ERRNO or CALL:ERRNO:N on an action for each n; return what was wrong.

    A master that has ended, or is not as before, is replaced by a new one.
    """
    wrong: list[str] = []
    master = make()
    for fault in faults:
        if action == "respawn" and fault != faults[0]:  # deaths would add up to a back-off
            master.server.close()
            master = make()
        numbers = [""] if re.search(r":\d", fault) else [f":{n}" for n in range(1, depth + 1)]
        hit_count = 0
        for number in numbers:
            try:
                with master.disturbed(fault + number, action in IN_STATUS_PROCESS):
                    ACTIONS[action](master)
                    master.quiet()
                hits = master.board.hits()
                master.check()
            except (AssertionError, TimeoutError, *SEEN) as error:
                hits = master.board.hits()
                log = "".join(master.server.read_log().splitlines(True)[-12:])
                wrong.append(f"{action} {fault}{number} (hit {hits}): {str(error)[-600:]}\n{log}")
                master.server.close()
                master = make()
            hit_count += hits
            if not hits:
                break
        if not hit_count:
            wrong.append(f"{action} {fault}: never hit")
    return wrong
