"""What a large body costs while one side does not take it: the memory of a server process."""

import contextlib
import os
import re
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.programs import ROOT
from tests.support.waiting import DEADLINE

MIB = 1 << 20
SIZE = 1024 * MIB
ADDED_BYTES_MAX = 8 * MIB
# AddressSanitizer keeps what is freed, up to 256 MiB, to find its use.
without_sanitizers = pytest.mark.skipif(
    "libasan" in os.environ.get("LD_PRELOAD", ""), reason="memory that is freed is kept"
)
# A socket that takes or gives nothing for so long: the server waits for us.
STALLED_SECONDS = 0.2

PROGRAM = """
import asyncio
import sys
import ngxloop
from ngxloop.http import HttpServer

PIECE = bytes(1 << 20)
woken = asyncio.Event()


async def application(scope, receive, send):
    count = 0
    if scope["path"] == "/sleep":
        await woken.wait()
    if scope["path"] == "/wake":
        woken.set()
    more = True
    while more:
        message = await receive()
        count += len(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for _ in range(int(scope["query_string"] or 0) // len(PIECE)):
        await send({"type": "http.response.body", "body": PIECE, "more_body": True})
    await send({"type": "http.response.body", "body": b"%d" % count})


async def main():
    server = HttpServer(application, lifespan="off")
    listening = await asyncio.get_running_loop().create_server(server.protocol, "127.0.0.1", 0)
    print(listening.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    listening.close()
    await server.drain(0)


ngxloop.run(main())
"""


class Server:
    """A server process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.port = int(process.stdout.readline())
        self._folder = Path("/proc", str(process.pid))

    def connect(self) -> socket.socket:
        """Connect a client."""
        sock = socket.create_connection(("127.0.0.1", self.port), DEADLINE)
        sock.settimeout(DEADLINE)
        return sock

    def forget_peak(self) -> None:
        """Let peak_bytes() begin with the present size: proc(5), clear_refs."""
        (self._folder / "clear_refs").write_text("5")

    def peak_bytes(self) -> int:
        """Return the largest size in memory."""
        status = (self._folder / "status").read_text()
        match = re.search(r"VmHWM:\s*(\d+) kB", status)
        assert match is not None
        return int(match[1]) * 1024


@pytest.fixture
def server() -> Iterator[Server]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        server = Server(process)
        exchange(server, "/", 4 * MIB, 4 * MIB)  # buffers of the loop are made now
        server.forget_peak()
        try:
            yield server
        finally:
            process.stdin.close()
    assert process.returncode == 0


def head(path: str, size: int, answer_size: int) -> bytes:
    return (
        f"POST {path}?{answer_size} HTTP/1.1\r\nHost: a\r\nContent-Length: {size}\r\n"
        "Connection: close\r\n\r\n"
    ).encode()


def exchange(server: Server, path: str, size: int, answer_size: int) -> bytes:
    """Upload so much, and read an answer of so much; return its end."""
    with server.connect() as sock:
        sock.sendall(head(path, size, answer_size))
        sock.sendall(bytes(size))
        return read_all(sock, answer_size)


def read_all(sock: socket.socket, size: int) -> bytes:
    """Read to the end, and stall now and then; return the last bytes, if it was so many."""
    count = 0
    end = b""
    buffer = bytearray(MIB)
    while received := sock.recv_into(buffer):
        end = (end + bytes(buffer[max(0, received - 100) : received]))[-100:]
        if count // (size // 4 + 1) != (count + received) // (size // 4 + 1):
            select.select([], [], [], STALLED_SECONDS)
        count += received
    assert count > size
    return end


def send_until_it_stalls(sock: socket.socket, size: int) -> int:
    """Send as much as the server takes; return how much is left."""
    piece = bytes(MIB)
    sock.setblocking(False)
    while size and select.select([], [sock], [], STALLED_SECONDS)[1]:
        with contextlib.suppress(BlockingIOError):
            size -= sock.send(piece[: min(size, MIB)])
    sock.settimeout(DEADLINE)
    return size


@without_sanitizers
def test_an_answer_to_a_reader_that_stalls_stays_small(server):
    before = server.peak_bytes()
    with server.connect() as sock:
        sock.sendall(head("/", 0, SIZE))
        select.select([], [], [], STALLED_SECONDS)  # it sends what the kernel takes
        stalled = server.peak_bytes() - before
        read_all(sock, SIZE)
    assert stalled <= ADDED_BYTES_MAX
    assert server.peak_bytes() - before <= ADDED_BYTES_MAX


@without_sanitizers
def test_an_upload_to_an_application_that_sleeps_stays_small(server):
    before = server.peak_bytes()
    with server.connect() as sock:
        sock.sendall(head("/sleep", SIZE, 0))
        left = send_until_it_stalls(sock, SIZE)
        assert left > SIZE // 2
        assert server.peak_bytes() - before <= ADDED_BYTES_MAX
        exchange(server, "/wake", 0, 0)
        piece = bytes(MIB)
        while left:
            left -= sock.send(piece[: min(left, MIB)])
        assert read_all(sock, 0).endswith(b"\r\n\r\n%d" % SIZE)
    assert server.peak_bytes() - before <= ADDED_BYTES_MAX
