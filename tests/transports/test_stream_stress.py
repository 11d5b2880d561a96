"""StreamTransport under peers that send, pause, half-close and reset at random.

Edge-triggered events come once: a byte or an end that is missed here is missed for good, and the
test would hang. A failing run prints its seed; NGXLOOP_TEST_SEED repeats it.
"""

import asyncio
import contextlib
import random
import socket

import pytest

from tests.probes.reactor import ReactorProbe
from tests.support.randomness import printed_random
from tests.support.sockets import reset, tcp_pair, unix_pair
from tests.support.waiting import turns, wait_until

CONNECTION_COUNT = 100
SIZES = [1, 1, 10, 1000, 16383, 16384, 40_000, 262_144, 600_000]


class Moody:
    """What both kinds of protocol do: pause, resume and swap at random, and count their calls."""

    def __init__(self, rng: random.Random, keeps_open: bool) -> None:
        self.rng = rng
        self.keeps_open = keeps_open
        self.received = bytearray()
        self.eof_count = self.lost_count = 0
        self.lost_with = None
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport):
        self.transport = transport
        self.maybe_pause()

    def maybe_pause(self) -> None:
        """Pause now and then, and resume some turns later."""
        if self.rng.random() < 0.3:
            self.transport.pause_reading()
            self.resume_after(self.rng.randrange(4))

    def resume_after(self, count: int) -> None:
        if count:
            asyncio.get_running_loop().call_soon(self.resume_after, count - 1)
        else:
            self.transport.resume_reading()

    def took(self, data) -> None:
        assert not self.eof_count, "data after the end of stream"
        assert not self.lost_count, "data after connection_lost"
        self.received += data
        self.maybe_pause()
        if self.rng.random() < 0.1:
            self.swap()

    def swap(self) -> None:
        """Give the connection to the other kind of protocol, which goes on where this one is."""
        kind = Buffered if isinstance(self, Streamed) else Streamed
        other = kind.__new__(kind)
        other.__dict__ = self.__dict__
        self.transport.set_protocol(other)

    def eof_received(self):
        self.eof_count += 1
        return self.keeps_open

    def connection_lost(self, exc):
        self.lost_count += 1
        self.lost_with = exc


class Streamed(Moody, asyncio.Protocol):
    def data_received(self, data):
        self.took(data)


class Buffered(Moody, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        self.buffer = bytearray(self.rng.choice([1000, 16384, 65536]))
        return self.buffer

    def buffer_updated(self, nbytes):
        self.took(memoryview(self.buffer)[:nbytes])


class Peer:
    """The other end: a plain socket and a plan of what to do with it."""

    def __init__(self, sock: socket.socket, rng: random.Random, end: str) -> None:
        self.sock = sock
        self.rng = rng
        self.end = end
        self.sent = bytearray()

    async def play(self) -> None:
        for _ in range(self.rng.randrange(8)):
            await self.send_all(self.rng.randbytes(self.rng.choice(SIZES)))
            await turns(self.rng.choice([0, 0, 0, 1, 2, 5]))
        if self.end == "shutdown":
            self.sock.shutdown(socket.SHUT_WR)
        elif self.end == "close":
            self.sock.close()
        else:
            reset(self.sock)

    async def send_all(self, data: bytes) -> None:
        """Send in pieces of random size; let the loop turn when there is no room."""
        view = memoryview(data)
        while view:
            try:
                count = self.sock.send(view[: self.rng.randrange(1, 300_000)])
            except BlockingIOError:
                await turns(1)
            else:
                self.sent += view[:count]
                view = view[count:]


async def run_connection(rng: random.Random, end: str, make) -> None:
    """Let one peer play its plan; compare what arrived with what was sent."""
    keeps_open = rng.random() < 0.5
    with make() as (ours, peer_sock):
        protocol = rng.choice([Streamed, Buffered])(rng, keeps_open)
        transport, _ = await asyncio.get_running_loop().create_connection(
            lambda: protocol, sock=ours
        )
        peer = Peer(peer_sock, rng, end)
        await peer.play()
        if end == "reset":
            await wait_until(lambda: protocol.lost_count)
            assert bytes(peer.sent).startswith(bytes(protocol.received))
            assert protocol.eof_count == 0
            assert isinstance(protocol.lost_with, ConnectionError)
        else:
            await wait_until(lambda: protocol.eof_count)
            assert protocol.received == peer.sent
            if keeps_open:
                transport.close()
            await wait_until(lambda: protocol.lost_count)
            assert protocol.eof_count == 1
            assert protocol.lost_with is None
        await turns(3)
        assert protocol.lost_count == 1


@pytest.mark.parametrize(
    ("end", "make"),
    [
        ("shutdown", tcp_pair),
        ("shutdown", unix_pair),
        ("close", tcp_pair),
        ("close", unix_pair),
        ("reset", tcp_pair),
    ],
    ids=["tcp_shutdown", "unix_shutdown", "tcp_close", "unix_close", "tcp_reset"],
)
async def test_every_byte_and_every_end_arrives_once(end, make):
    seeds = printed_random()
    connections = [
        run_connection(random.Random(seeds.randrange(2**32)), end, make)
        for _ in range(CONNECTION_COUNT)
    ]

    await asyncio.gather(*connections)

    assert ReactorProbe(asyncio.get_running_loop()).used_count == 0


class Echo(asyncio.Protocol):
    """Send everything back; stop reading while the peer does not read."""

    def connection_made(self, transport):
        self.transport = transport
        self.lost = asyncio.get_running_loop().create_future()

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()

    def connection_lost(self, exc):
        self.lost.set_result(exc)


async def echo_through(sock: socket.socket, rng: random.Random, size: int) -> tuple[bytes, bytes]:
    """Send random pieces and read random amounts; return what was sent and what came back."""
    sent, received = bytearray(), bytearray()
    ended = False
    while len(received) < size:
        action = rng.random()
        with contextlib.suppress(BlockingIOError):
            if action < 0.45 and len(sent) < size:
                data = rng.randbytes(min(rng.choice(SIZES), size - len(sent)))
                sent += data[: sock.send(data)]
            elif action < 0.9:
                received += sock.recv(rng.choice([10, 5000, 1_000_000]))
            else:
                await turns(1)
        if len(sent) == size and not ended:
            sock.shutdown(socket.SHUT_WR)
            ended = True
        await turns(rng.choice([0, 1]))
    return bytes(sent), bytes(received)


@pytest.mark.parametrize("make", [tcp_pair, unix_pair], ids=["tcp", "unix"])
@pytest.mark.parametrize("sndbuf", [None, 1], ids=["default_buffers", "small_buffers"])
async def test_echo_with_flow_control_brings_every_byte_back(make, sndbuf):
    seeds = printed_random()

    async def run() -> None:
        rng = random.Random(seeds.randrange(2**32))
        with make() as (ours, peer):
            if sndbuf:
                ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
            loop = asyncio.get_running_loop()
            _, protocol = await loop.create_connection(Echo, sock=ours)
            sent, received = await echo_through(peer, rng, 200_000 if sndbuf else 2_000_000)
            assert received == sent
            assert await protocol.lost is None

    await asyncio.gather(*(run() for _ in range(10)))


def send_and_shut_down(sock: socket.socket, data: bytes, rng: random.Random) -> None:
    view = memoryview(data)
    while view:
        count = sock.send(view[: rng.randrange(1, 200_000)])
        view = view[count:]
    sock.shutdown(socket.SHUT_WR)


def receive_all(sock: socket.socket, rng: random.Random) -> bytes:
    received = bytearray()
    while data := sock.recv(rng.choice([100, 10_000, 300_000])):
        received += data
    return bytes(received)


@pytest.mark.parametrize("make", [tcp_pair, unix_pair], ids=["tcp", "unix"])
async def test_peers_in_threads_get_every_byte_back(make):
    seeds = printed_random()

    async def run() -> None:
        rng = random.Random(seeds.randrange(2**32))
        data = rng.randbytes(1 << 20) * 4
        with make() as (ours, peer):
            peer.setblocking(True)
            loop = asyncio.get_running_loop()
            _, protocol = await loop.create_connection(Echo, sock=ours)
            sending = asyncio.to_thread(send_and_shut_down, peer, data, random.Random(1))
            receiving = asyncio.to_thread(receive_all, peer, random.Random(2))
            _, received = await asyncio.gather(sending, receiving)
            assert received == data
            assert await protocol.lost is None

    await asyncio.gather(*(run() for _ in range(2)))
    await asyncio.get_running_loop().shutdown_default_executor()
