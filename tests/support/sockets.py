"""Real sockets for tests: connected pairs, listeners, and peers that no event loop drives."""

import contextlib
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.addresses import free_address
from tests.support.waiting import wait_until

LOOPBACK = "127.0.0.1"

# Size of the kernel's buffers of a TCP pair, in bytes (Linux doubles it). Left to itself the kernel
# lets them grow to several megabytes, and then it takes what a test expects to have to wait.
KERNEL_BUFFER_SIZE = 64 * 1024

# Where struct tcp_info (linux/tcp.h) has tcpi_data_segs_out, the segments with data that were sent,
# and tcpi_total_retrans: so many of them were sent again, because a busy machine was late.
DATA_SEGMENTS_OFFSET = 156
RETRANSMISSIONS_OFFSET = 100


@contextlib.contextmanager
def unix_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two connected, non-blocking stream sockets of the unix family."""
    ours, peer = socket.socketpair()
    with ours, peer:
        ours.setblocking(False)
        peer.setblocking(False)
        yield ours, peer


@contextlib.contextmanager
def tcp_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two non-blocking sockets connected over TCP on the loopback interface."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
    with ours, peer:
        for sock in (ours, peer):
            sock.setblocking(False)
            for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
                sock.setsockopt(socket.SOL_SOCKET, option, KERNEL_BUFFER_SIZE)
        yield ours, peer


@contextlib.contextmanager
def tcp_listener() -> Iterator[socket.socket]:
    """Give a non-blocking socket that listens on a free loopback port."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        listener.setblocking(False)
        yield listener


def refused_address() -> tuple[str, int]:
    """Return a loopback address on which nothing listens, and nothing will."""
    return free_address()


def has_ipv6() -> bool:
    """Tell whether the loopback interface has an IPv6 address."""
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="the loopback interface has no IPv6 address")


def reset(sock: socket.socket) -> None:
    """Close a TCP socket so that its peer sees ECONNRESET: lingering for zero seconds."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def segments_sent(transport: Any) -> int:
    """Return how many segments with data a TCP transport has sent, each counted once."""
    info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    sent, again = (
        struct.unpack_from("I", info, offset)[0]
        for offset in (DATA_SEGMENTS_OFFSET, RETRANSMISSIONS_OFFSET)
    )
    return sent - again


def fill(sock: socket.socket) -> int:
    """Send into a non-blocking socket until the kernel takes no more; return how much it took.

    Final only for sockets of the unix family: TCP makes room by itself, when the peer's kernel
    takes what lies in ours.
    """
    total = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            total += sock.send(bytes(65536))
    return total


def drain(sock: socket.socket) -> bytes:
    """Receive what lies in a non-blocking socket now."""
    chunks = []
    with contextlib.suppress(BlockingIOError):
        while chunk := sock.recv(65536):
            chunks.append(chunk)
    return b"".join(chunks)


async def receive(sock: socket.socket, size: int) -> bytes:
    """Receive exactly `size` bytes from a non-blocking socket that the loop does not watch."""
    received = bytearray()

    def complete() -> bool:
        with contextlib.suppress(BlockingIOError):
            while len(received) < size:
                chunk = sock.recv(size - len(received))
                assert chunk, f"end of stream after {len(received)} of {size} bytes"
                received.extend(chunk)
        return len(received) == size

    await wait_until(complete, f"{size} bytes from the peer")
    return bytes(received)


async def receive_until_eof(sock: socket.socket) -> bytes:
    """Receive until the end of stream from a non-blocking socket that the loop does not watch."""
    received = bytearray()

    def ended() -> bool:
        try:
            while chunk := sock.recv(65536):
                received.extend(chunk)
        except BlockingIOError:
            return False
        return True

    await wait_until(ended, "end of stream from the peer")
    return bytes(received)
