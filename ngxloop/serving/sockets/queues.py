"""Accept queues: how many connections wait in the kernel, how many may, and a warning in time.

For a listening socket the kernel tells both in TCP_INFO (tcp(7), tcp_get_info() in net/ipv4/tcp.c):
tcpi_unacked is the length of the queue, tcpi_sacked its limit. A connection that comes when the
queue is full is dropped, and tried again by its client a second later.
"""

import socket
import struct
from collections.abc import Iterable
from pathlib import Path

from ngxloop.serving.logs.logs import log
from ngxloop.serving.sockets.listeners import can_accept, describe_address

_TCP_INFO = struct.Struct("8B 6I")  # eight bytes of flags, then words of 32 bits
_SOMAXCONN = Path("/proc/sys/net/core/somaxconn")
_UNACKED, _SACKED = -2, -1
_HIGH, _LOW = 0.75, 0.5  # parts of the limit: warned above the one, calm again below the other


def queue_limit(backlog: int) -> int:
    """Return the backlog that the kernel will really use; say so if it is less than asked for."""
    try:
        limit = int(_SOMAXCONN.read_text())
    except OSError:  # hidden in some sandboxes; the kernel clips by itself
        return backlog
    if backlog > limit:
        log.warning("backlog %d clipped to %d (net.core.somaxconn)", backlog, limit)
    return min(backlog, limit)


def read_queue(sock: socket.socket) -> tuple[int, int] | None:
    """Return length and limit of a listening socket's queue; None if the kernel does not tell."""
    if sock.family == socket.AF_UNIX or sock.type != socket.SOCK_STREAM:
        return None
    words = _TCP_INFO.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size))
    return words[_UNACKED], words[_SACKED]


def find_closed(socks: Iterable[socket.socket]) -> list[str]:
    """Return the addresses of those that do not listen any more.

    Workers share the socket: when one shuts it down, no other can accept.
    """
    return [describe_address(sock) for sock in socks if not can_accept(sock)]


class QueueWatch:
    """Warns when a queue fills, once until it has been emptied."""

    def __init__(self) -> None:
        self._warned: set[str] = set()

    def look(self, socks: Iterable[socket.socket]) -> None:
        """Look at all of them; a system call each."""
        for sock in socks:
            queue = read_queue(sock)
            if queue is not None and queue[1] > 0:
                self._judge(describe_address(sock), *queue)

    def _judge(self, address: str, length: int, limit: int) -> None:
        if length >= _HIGH * limit and address not in self._warned:
            self._warned.add(address)
            advice = "workers are too few or too slow; when it is full connections are dropped"
            log.warning("accept queue of %s: %d of %d wait; %s", address, length, limit, advice)
        elif length <= _LOW * limit:
            self._warned.discard(address)
