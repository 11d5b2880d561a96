"""Clients for the programs of programs/, and what the kernel knows of who serves whom."""

import collections
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.serving.support import DEADLINE, connect, http_get, receive_line
from tests.support.priority import undisturbed
from tests.support.waiting import wait_until_blocking

Address = tuple[str, int]
EVEN = 1.1  # the largest share of a process over the mean
SPREAD_ATTEMPTS = 3
PROGRAMS = Path(__file__).parent / "programs"


def ask_echo(address: Address) -> None:
    """Exchange a message with the echo server of asyncio's documentation."""
    with connect(address) as sock:
        sock.sendall(b"Hello World!")
        assert sock.recv(100) == b"Hello World!"


def ask_http(address: Address) -> None:
    """Ask for a page on a connection of its own."""
    assert http_get(address) == (200, b"hello\n")


def ask_websocket(address: Address) -> None:
    """Exchange a message on a WebSocket."""
    from websockets.sync.client import connect as connect_websocket  # noqa: PLC0415 - may be absent

    with connect_websocket(f"ws://{address[0]}:{address[1]}", open_timeout=DEADLINE) as client:
        client.send("hello")
        assert client.recv(DEADLINE) == "hello"


def ask_smtp(address: Address) -> None:
    """Be greeted by a mail server, and leave."""
    with connect(address) as sock:
        assert receive_line(sock).startswith(b"220 ")
        sock.sendall(b"QUIT\r\n")
        assert receive_line(sock).startswith(b"221 ")


def ask_ssh(address: Address) -> None:
    """Read the version of an SSH server."""
    with connect(address) as sock:
        assert receive_line(sock).startswith(b"SSH-2.0-")


class Load:
    """Clients that ask one after the other in threads; what failed is remembered."""

    def __init__(self, ask: Callable[[Address], None], address: Address) -> None:
        self._ask = ask
        self._address = address
        self._is_over = threading.Event()
        self._answered = threading.Condition()
        self.answer_count = 0
        self.failures: list[str] = []

    @contextlib.contextmanager
    def running(self, client_count: int = 3) -> Iterator["Load"]:
        """Ask while the block runs."""
        threads = [threading.Thread(target=self._run) for _ in range(client_count)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._is_over.set()
            for thread in threads:
                thread.join(DEADLINE)

    def wait_for_answers(self, count: int) -> None:
        """Wait until so many more answers have come."""
        with self._answered:
            wanted = self.answer_count + count
            came = self._answered.wait_for(
                lambda: self.answer_count >= wanted or self.failures, DEADLINE
            )
        assert came, "no answers"

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self._ask(self._address)
            except Exception as error:
                with self._answered:
                    self.failures.append(repr(error))
                    self._answered.notify_all()
                return
            with self._answered:
                self.answer_count += 1
                self._answered.notify_all()


def spread(address: Address, pids: Sequence[int], count: int) -> list[int]:
    """Open connections, and return how many of them each process has, in the best of some attempts.

    The others take the share of a process that a busy machine keeps from running for long; so it is
    measured undisturbed, where that is allowed.
    """
    found = []
    for _ in range(SPREAD_ATTEMPTS):
        with undisturbed(*pids):
            found.append(_spread_once(address, pids, count))
        if max(found[-1]) <= EVEN * count / len(pids):
            break
        wait_until_blocking(lambda: not any(connection_homes(address[1], pids)), "the ends")
    return min(found, key=max)


def _spread_once(address: Address, pids: Sequence[int], count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(connect(address))
        deadline = time.monotonic() + DEADLINE
        while True:
            homes = connection_homes(address[1], pids)
            if sum(homes) == count:
                return homes
            assert time.monotonic() < deadline, homes
            threading.Event().wait(0.01)


def connection_homes(port: int, pids: Sequence[int]) -> list[int]:
    """Return how many connections of a port each process has; clients may have ended them."""
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] in ("01", "08") and int(fields[1].rpartition(":")[2], 16) == port:
            inodes.add(f"socket:[{fields[9]}]")
    counts = collections.Counter(dict.fromkeys(pids, 0))
    for pid in pids:
        for fd in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                counts[pid] += os.readlink(fd) in inodes
    return [counts[pid] for pid in pids]


def is_refused(address: Address) -> bool:
    """Say whether nobody listens there."""
    with socket.socket() as sock:
        return sock.connect_ex(address) != 0
