"""A running ngxloop-serve, for tests that start it, wait for its log lines and send it signals.

The log is the launcher's interface to its operator, and to the tests: every wait is for a line,
with a deadline. Nothing here sleeps.
"""

import atexit
import contextlib
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ngxloop
from tests.support.waiting import wait_until_blocking

APPS = Path(__file__).parent / "apps"
DEADLINE = 40.0  # generous: a loaded machine is no failure
_ROOT = Path(ngxloop.__file__).parent.parent
# No other test process has a server there.
RUNTIME_FOLDER = tempfile.mkdtemp(prefix="ngxloop-test-")
atexit.register(shutil.rmtree, RUNTIME_FOLDER, ignore_errors=True)
os.environ["NGXLOOP_RUNTIME_DIR"] = RUNTIME_FOLDER
_SO_PASSRIGHTS = 83  # include/uapi/asm-generic/socket.h


def environment(root: Path = _ROOT) -> dict[str, str]:
    """Return ours, so that the program finds the ngxloop in `root` and leaves no .pyc files."""
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH")])])
    own = {"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    own["NGXLOOP_RUNTIME_DIR"] = os.environ.get("NGXLOOP_RUNTIME_DIR", RUNTIME_FOLDER)
    if root != _ROOT:
        own["PYTHONSAFEPATH"] = "1"  # not the ngxloop in the current folder
    return {**os.environ, **own}


def command(*arguments: str) -> list[str]:
    """Return the command line of ngxloop-serve with the arguments."""
    return [sys.executable, "-m", "ngxloop.cli", *arguments]


def run_to_end(line: Sequence[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end, and return what it wrote; options are those of Popen."""
    return subprocess.run(
        line,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env=environment(),
        check=False,
        **{"stdin": subprocess.DEVNULL, **options},
    )


class Server:
    """One ngxloop-serve; the log is read as far as somebody waits for it."""

    def __init__(
        self,
        arguments: Sequence[str],
        pass_fds: Sequence[int] = (),
        stdout: int | None = None,
        wrapper: Sequence[str] = (),
        stdin: int = subprocess.DEVNULL,
        program: Sequence[str] | None = None,
        root: Path = _ROOT,
    ) -> None:
        self.log = ""
        self._seen = 0  # how much of the log earlier waits have used up
        self._process = subprocess.Popen(
            [*wrapper, *(command(*arguments) if program is None else [*program, *arguments])],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.PIPE,
            env=environment(root),
            pass_fds=pass_fds,
        )
        assert self._process.stderr is not None
        self._stderr = self._process.stderr
        os.set_blocking(self._stderr.fileno(), False)

    @property
    def pid(self) -> int:
        """The master's process id."""
        return self._process.pid

    @property
    def addresses(self) -> list[str]:
        """Where the master listens, as far as the log has been read."""
        return re.findall(r"listening on (\S+),", self.log)

    @property
    def address(self) -> tuple[str, int]:
        """The host and port of the first TCP address."""
        host, _, port = self.addresses[0].rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def status_address(self) -> str:
        """Where the master tells how things are."""
        return re.findall(r"status on (\S+)\n", self.log)[0]

    @property
    def url(self) -> str:
        """The first TCP address for an HTTP client."""
        return f"http://{self.addresses[0]}"

    def worker_pids(self, generation: int) -> list[int]:
        """Return the workers of a generation that have said that they are ready."""
        return [
            int(pid)
            for pid in re.findall(rf"worker {generation}\.\d+ ready \(process (\d+)\)", self.log)
        ]

    def caught_up(self) -> None:
        """Wait until the master has taken back what the processes held that have ended so far.

        It reaps before it obeys: its answer to a signal comes after all that.
        """
        self.send(signal.SIGUSR1)
        self.logged("reopening the log files")

    def logged(self, pattern: str, seconds: float = DEADLINE) -> re.Match[str]:
        """Wait for a piece of log that matches, after the one that the last call found."""
        deadline = time.monotonic() + seconds
        while True:
            found = re.compile(pattern).search(self.log, self._seen)
            if found:
                self._seen = found.end()
                return found
            if not self._read(deadline - time.monotonic()):
                raise AssertionError(f"not in the log: {pattern!r}; the log:\n{self.log}")

    def forget_log(self) -> None:
        """Let logged() find nothing that has been written so far."""
        self._seen = len(self.read_log())

    def read_log(self) -> str:
        """Return the log as far as it has been written."""
        self._drain_log()
        return self.log

    def serving(self) -> "Server":
        """Wait until the first generation serves."""
        self.logged(r"master\[\d+\] serving ")
        return self

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the master."""
        self._process.send_signal(number)

    def end_now(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal until it counts as a second one; repeated too soon it counts as one."""
        for _ in range(100):
            self.send(number)
            with contextlib.suppress(AssertionError):
                self.logged("told again to shut down|master.* ended", seconds=0.2)
                return
        raise AssertionError(f"not told again:\n{self.log}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        self.send(number)
        return self.ended()

    def ended(self, seconds: float = DEADLINE) -> int:
        """Wait for the end and return the exit code; the log is complete then."""
        code = self._process.wait(seconds)
        self._drain_log()
        return code

    def close(self) -> None:
        """Kill what still runs; harmless when closed."""
        if self._stderr.closed:
            return
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._drain_log()
        for pid in re.findall(r"process (\d+)\)", self.log):
            kill_leftover(int(pid))
        self._stderr.close()

    def _read(self, seconds: float) -> bool:
        """Read some more of the log; False at its end, or when the time is over."""
        poll = select.poll()
        poll.register(self._stderr, select.POLLIN)
        if seconds <= 0 or not poll.poll(seconds * 1000):
            return False
        data = self._stderr.read()
        self.log += (data or b"").decode()
        return bool(data)

    def _drain_log(self) -> None:
        while self._read(0.001):
            pass


def public_copy(folder: Path) -> None:
    """Copy ngxloop and the applications into a folder, readable for every user."""
    for source in (_ROOT / "ngxloop", APPS):
        ignored = shutil.ignore_patterns("*.c", "*.pyx", "*.pxd")
        shutil.copytree(source, folder / source.name, ignore=ignored)
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)


def status_process(master: int) -> int:
    """Return the child of a master that answers for the status: the one that may not fork."""
    for pid in children(master):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if re.search(r"Max processes +0 +0 ", Path(f"/proc/{pid}/limits").read_text()):
                return pid
    return 0


def wait_for_status_process(master: int) -> int:
    """Return the process of status_process() once it has given up its rights."""
    wait_until_blocking(lambda: status_process(master), "the status process")
    return status_process(master)


def children(pid: int) -> list[int]:
    """Return the children of a process."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def open_links(pid: int) -> list[str]:
    """Return what a process has open, as /proc names it."""
    folder, links = Path(f"/proc/{pid}/fd"), []
    for name in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            links.append(os.readlink(folder / name))
    return links


def wait_gone(*pids: int) -> None:
    """Wait until the processes, which need not be our children, have ended."""
    for pid in pids:
        try:
            fd = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        ended = poll.poll(DEADLINE * 1000)
        os.close(fd)
        assert ended, f"process {pid} still runs"


def kill_leftover(pid: int) -> None:
    """Kill a worker that outlived its master; nothing if the id is free or another program's."""
    try:
        if b"ngxloop" in Path(f"/proc/{pid}/cmdline").read_bytes():
            os.kill(pid, signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return


def connect(address: tuple[str, int] | str) -> socket.socket:
    """Return a blocking connection, to a TCP address or a Unix path, that gives up some day."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    if not isinstance(address, str) and ":" in address[0]:
        family = socket.AF_INET6
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(DEADLINE)
    sock.connect(address)
    return sock


def connection_to(server: Server, pid: int) -> socket.socket:
    """Open connections until the worker has one, and keep that one."""
    with contextlib.ExitStack() as others:
        for _ in range(2000):
            sock = connect(server.address)
            if int(receive_line(sock)) == pid:
                return sock
            others.callback(sock.close)
    raise AssertionError(f"worker {pid} gets no connection")


def end_with_a_connection(server: Server, signal_count: int = 1) -> None:
    """End a server of an application of plain.py; a connection is served to its end meanwhile."""
    with connect(server.address) as sock:
        receive_line(sock)
        for _ in range(signal_count):
            server.send(signal.SIGTERM)
        server.logged(r"worker 1\.0\[\d+\] draining")
        sock.sendall(b"still there\n")
        assert receive_line(sock) == b"still there\n"
    assert server.ended() == 0


def receive_line(sock: socket.socket) -> bytes:
    """Receive up to and with the next newline, or what comes before the end of file."""
    line = b""
    while not line.endswith(b"\n"):
        data = sock.recv(1)
        if not data:
            break
        line += data
    return line


def receive_until(sock: socket.socket, end: bytes) -> bytes:
    """Return what comes up to the wanted end; with none, up to the end of file."""
    received = b""
    deadline = time.monotonic() + DEADLINE
    while not (end and end in received) and time.monotonic() < deadline:
        data = sock.recv(65536)
        if not data:
            break
        received += data
    return received


def http_get(address: tuple[str, int] | str, path: str = "/") -> tuple[int, bytes]:
    """Return status and body of one request on a connection of its own."""
    with connect(address) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while data := sock.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" in head:
        body = _unchunk(body)
    return int(head.split(b" ", 2)[1]), body


def _unchunk(body: bytes) -> bytes:
    plain = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        plain, body = plain + body[: int(size, 16)], body[int(size, 16) + 2 :]
    return plain


def can_refuse_descriptors() -> bool:
    """Say whether the kernel lets a socket refuse descriptors, as those of the master do."""
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.getsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS)
        except OSError:  # before Linux 6.16
            return False
    return True
