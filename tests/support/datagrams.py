"""Datagram endpoints of the running loop, and sockets at the other end that no loop drives."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple

from tests.support.sockets import LOOPBACK
from tests.support.waiting import DEADLINE, wait_until


class RecordingEndpoint(asyncio.DatagramProtocol):
    """Record every callback; `closed` is done once the connection is lost."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.received: list[tuple[bytes, Any]] = []
        self.errors: list[Exception] = []
        self.transport: Any = None
        self.lost_with: Any = "not lost"
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def data(self) -> list[bytes]:
        return [data for data, _ in self.received]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.calls.append("connection_made")
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.calls.append("datagram_received")
        self.received.append((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.calls.append("error_received")
        self.errors.append(exc)

    def pause_writing(self) -> None:
        self.calls.append("pause_writing")

    def resume_writing(self) -> None:
        self.calls.append("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("connection_lost")
        self.lost_with = exc
        self.closed.set_result(None)


class EchoEndpoint(RecordingEndpoint):
    """Send back what arrives."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        self.transport.sendto(data, addr)


class Endpoint(NamedTuple):
    """A transport, its protocol, and its own address."""

    transport: Any
    protocol: Any
    address: Any


@contextlib.asynccontextmanager
async def endpoint(
    protocol_factory: Callable[[], Any] = RecordingEndpoint, **options: Any
) -> AsyncIterator[Endpoint]:
    """Give an endpoint, on a free loopback port unless told otherwise; at the end it is closed."""
    if not options:
        options = {"local_addr": (LOOPBACK, 0)}
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(protocol_factory, **options)
    sock = transport.get_extra_info("socket")
    try:
        yield Endpoint(transport, protocol, transport.get_extra_info("sockname"))
    finally:
        if sock.fileno() != -1:
            transport.abort()
        await wait_until(lambda: sock.fileno() == -1, "the transport to close its socket")


@contextlib.contextmanager
def udp_socket(host: str = LOOPBACK) -> Iterator[socket.socket]:
    """Give a blocking UDP socket with a deadline, bound to a free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE)
        sock.bind((host, 0))
        yield sock


@contextlib.contextmanager
def unix_datagram_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give two connected Unix sockets without names; the second one does not block."""
    ours, peer = socket.socketpair(type=socket.SOCK_DGRAM)
    with ours, peer:
        peer.setblocking(False)
        yield ours, peer


def fill_queue(sock: socket.socket, address: str) -> int:
    """Send to a Unix receiver until its queue is full; return how many datagrams it took."""
    sock.setblocking(False)
    count = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sock.sendto(b"%d" % count, address)
            count += 1
    return count


def receive_all(sock: socket.socket) -> list[bytes]:
    """Receive the datagrams that lie in a non-blocking socket now."""
    received = []
    with contextlib.suppress(BlockingIOError):
        while True:
            received.append(sock.recv(1 << 20))
    return received
