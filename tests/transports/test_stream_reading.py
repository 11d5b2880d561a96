"""StreamTransport, reading: the receive paths, fairness, pausing, protocols that receive."""

import asyncio
import contextlib
import os
import socket

import pytest

from tests.support.protocols import RecordingProtocol
from tests.support.randomness import printed_random
from tests.support.sockets import fill, reset, tcp_pair, unix_pair
from tests.support.streams import connected
from tests.support.syscalls import calls_between_marks, needs_strace
from tests.support.waiting import DEADLINE, turns, wait_until

# A receive of at least this many bytes makes the next one go straight into a bytes object.
DIRECT_BYTES = 16384
RECEIVE_BYTES = 262144


class Sizes(RecordingProtocol):
    """Record how much each receive brings, and in which turn."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.turns: list[int] = []

    def data_received(self, data):
        super().data_received(data)
        assert type(data) is bytes
        self.sizes.append(len(data))
        self.turns.append(asyncio.get_running_loop().turn_count)


def large_pair():
    """Give two sockets between which a MiB fits."""
    return contextlib.contextmanager(make_large_pair)()


def make_large_pair():
    with unix_pair() as (ours, peer):
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        yield ours, peer


async def settle(protocol) -> None:
    """Let the loop turn until no turn brings more."""
    seen = -1
    while seen != len(protocol.received):
        seen = len(protocol.received)
        await turns(2)


# ---- the receive paths


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        (1, [1, 100_000]),
        (DIRECT_BYTES - 1, [DIRECT_BYTES - 1, 100_000]),
        (DIRECT_BYTES, [DIRECT_BYTES, 2 * DIRECT_BYTES, 4 * DIRECT_BYTES, 1696]),
        (50_000, [50_000, 100_000]),
        (50_001, [50_001, 100_000]),
    ],
    ids=["after_little", "just_below", "direct", "direct_exactly", "direct_with_room_for_two_more"],
)
async def test_receive_asks_for_twice_of_what_came_last_or_for_all(first, expected):
    async with connected(Sizes, large_pair) as (_, protocol, peer):
        peer.send(bytes(first))
        await settle(protocol)
        peer.send(bytes(100_000))
        await settle(protocol)

    assert protocol.sizes == expected


@pytest.mark.parametrize("missing", [0, 1, 2, 3], ids=lambda n: f"{n}_missing")
async def test_receive_that_nearly_fills_its_room_brings_exactly_what_came(missing):
    async with connected(Sizes, large_pair) as (_, protocol, peer):
        peer.send(bytes(DIRECT_BYTES))
        await settle(protocol)
        peer.send(b"x" * (2 * DIRECT_BYTES - missing))
        await settle(protocol)

    assert protocol.sizes == [DIRECT_BYTES, 2 * DIRECT_BYTES - missing]
    assert protocol.received[DIRECT_BYTES:] == b"x" * (2 * DIRECT_BYTES - missing)


async def test_receive_goes_back_to_the_shared_buffer_after_little():
    async with connected(Sizes, large_pair) as (_, protocol, peer):
        for size in (DIRECT_BYTES, 10, 100_000, 20_000, DIRECT_BYTES, 40_000):
            peer.send(bytes(size))
            await settle(protocol)

    assert protocol.sizes[:3] == [DIRECT_BYTES, 10, 100_000]
    assert sum(protocol.sizes) == 100_000 + 20_000 + 40_000 + 2 * DIRECT_BYTES + 10


async def test_receive_brings_no_more_than_256_kib():
    async with connected(Sizes, large_pair) as (_, protocol, peer):
        sent = fill(peer)
        await settle(protocol)

    assert sent > 2 * RECEIVE_BYTES
    assert max(protocol.sizes) == RECEIVE_BYTES
    assert sum(protocol.sizes) == sent


async def test_bytes_are_the_same_on_every_path():
    rng = printed_random()
    sent = bytearray()
    async with connected(Sizes, large_pair) as (_, protocol, peer):
        for _ in range(200):
            size = rng.choice([1, 100, DIRECT_BYTES - 1, DIRECT_BYTES, 50_000, RECEIVE_BYTES])
            data = rng.randbytes(size)
            with contextlib.suppress(BlockingIOError):
                sent += data[: peer.send(data)]
            if rng.random() < 0.7:
                await turns(1)
        await wait_until(lambda: len(protocol.received) == len(sent))

    assert protocol.received == sent


@pytest.mark.parametrize("size", [5, 100_000], ids=["shared_buffer", "direct"])
async def test_bytes_received_earlier_stay_as_they_are(size):
    kept = []

    class Keeping(RecordingProtocol):
        def data_received(self, data):
            super().data_received(data)
            kept.append(data)

    async with connected(Keeping, large_pair) as (_, protocol, peer):
        for number in range(10):
            peer.send(bytes([number]) * size)
            await settle(protocol)

    assert b"".join(kept) == b"".join(bytes([number]) * size for number in range(10))


# ---- fairness


async def test_connection_that_sends_without_pause_delays_no_other():
    async with (
        connected(Sizes, large_pair) as (_, greedy, greedy_peer),
        connected(Sizes, large_pair) as (_, modest, modest_peer),
    ):
        for count in range(1, 50):
            fill(greedy_peer)
            modest_peer.send(b"x")
            await turns(1)
            fill(greedy_peer)
            await turns(1)
            assert len(modest.received) == count

    assert len(greedy.turns) == len(set(greedy.turns))  # one receive in a turn
    assert len(greedy.turns) >= 90


async def test_connection_that_sends_without_pause_leaves_timers_and_callbacks_alone():
    loop = asyncio.get_running_loop()
    async with connected(Sizes, large_pair) as (_, protocol, peer):
        for _ in range(20):
            fill(peer)
            seen = []
            before = loop.turn_count
            loop.call_soon(seen.append, "callback")
            loop.call_later(0, seen.append, "timer")
            await turns(2)
            assert seen == ["callback", "timer"]
            assert loop.turn_count == before + 2
        await settle(protocol)


# ---- Unix sockets: a receive stops behind passed descriptors and foreign credentials


def send_with_fds(sock, data, count=1):
    socket.send_fds(sock, [data], [sock.fileno()] * count)


@pytest.mark.parametrize("size", [1, DIRECT_BYTES, 100_000], ids=["little", "direct", "large"])
async def test_data_behind_passed_descriptors_arrives(size):
    async with connected(Sizes, large_pair) as (_, protocol, peer):
        for _ in range(2):  # the second time the receive is another one, see last_bytes
            peer.send(bytes(size))
            send_with_fds(peer, bytes(size))
            peer.send(bytes(size))
            send_with_fds(peer, bytes(size), 3)
            peer.send(bytes(size))
            await wait_until(lambda: len(protocol.received) % (5 * size) == 0 and protocol.received)
        await settle(protocol)

        assert len(protocol.received) == 10 * size


@pytest.mark.parametrize("size", [1, 100_000])
async def test_data_behind_passed_descriptors_reaches_a_stream_reader(size):
    with large_pair() as (ours, peer):
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        for _ in range(3):
            peer.send(bytes(size))
            send_with_fds(peer, bytes(size))
            peer.send(bytes(size))
            async with asyncio.timeout(DEADLINE):
                await reader.readexactly(3 * size)
        peer.close()
        async with asyncio.timeout(DEADLINE):
            assert await reader.read() == b""
        writer.close()


async def test_data_of_several_writers_arrives_where_credentials_were_asked_for():
    async with connected(Sizes, unix_pair) as (transport, protocol, peer):
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        child = os.fork()
        if child == 0:
            peer.send(b"a")
            os._exit(0)
        os.waitpid(child, 0)
        peer.send(b"b")
        child = os.fork()
        if child == 0:
            peer.send(b"c")
            os._exit(0)
        os.waitpid(child, 0)
        await wait_until(lambda: len(protocol.received) == 3)

        assert protocol.received == b"abc"


@pytest.mark.parametrize("how", ["close", "shutdown", "close with data unread"])
async def test_end_behind_data_on_a_unix_socket_is_seen(how):
    async with connected(Sizes, unix_pair) as (transport, protocol, peer):
        if how == "close with data unread":
            transport.write(b"unread")
        peer.send(b"x")
        peer.shutdown(socket.SHUT_WR) if how == "shutdown" else peer.close()
        async with asyncio.timeout(DEADLINE):
            await protocol.closed

        assert protocol.received == b"x"


# ---- pausing


PAUSES = """
    import asyncio, os, socket
    import ngxloop

    async def main():
        loop = asyncio.get_running_loop()
        ours, peer = socket.socketpair()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        peer.send(b"x")
        await asyncio.sleep(0.01)
        os.getppid()
        for _ in range(100):
            transport.pause_reading()
            await asyncio.sleep(0)
            transport.resume_reading()
            await asyncio.sleep(0)
        os.getppid()
        transport.abort()

    ngxloop.run(main())
"""


@needs_strace
def test_pausing_and_resuming_cost_no_calls():
    calls = calls_between_marks(PAUSES, "epoll_ctl", "recvfrom", "recvmsg", "read")

    assert not calls


async def test_resume_that_follows_a_pause_at_once_reads_once():
    async with connected(Sizes) as (transport, protocol, peer):
        peer.send(b"x")
        for _ in range(3):
            transport.pause_reading()
            transport.resume_reading()
        await settle(protocol)

        assert protocol.sizes == [1]


async def test_data_that_came_during_a_pause_arrives_in_the_turn_after_resume():
    async with connected(Sizes) as (transport, protocol, peer):
        transport.pause_reading()
        peer.send(b"x")
        await turns(3)
        during = bytes(protocol.received)

        transport.resume_reading()
        await turns(1)

        assert (during, protocol.received) == (b"", b"x")


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair], ids=["tcp", "unix"])
async def test_end_of_stream_behind_data_that_came_during_a_pause_is_seen(pair):
    async with connected(Sizes, pair) as (transport, protocol, peer):
        transport.pause_reading()
        peer.send(b"x" * 1000)
        peer.shutdown(socket.SHUT_WR)
        await turns(3)

        transport.resume_reading()
        await protocol.closed

    assert protocol.received == b"x" * 1000
    assert protocol.calls == [
        "connection_made",
        "data_received",
        "eof_received",
        "connection_lost",
    ]


async def test_reset_during_a_pause_is_seen_after_resume():
    async with connected(Sizes, tcp_pair) as (transport, protocol, peer):
        transport.pause_reading()
        reset(peer)
        await turns(3)
        assert protocol.calls == ["connection_made"]

        transport.resume_reading()
        await protocol.closed

    assert isinstance(protocol.lost_with, ConnectionResetError)


async def test_pause_in_data_received_of_a_full_buffer_stops_reading_at_once():
    class Pausing(Sizes):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    async with connected(Pausing, large_pair) as (transport, protocol, peer):
        fill(peer)
        await turns(5)
        assert protocol.sizes == [RECEIVE_BYTES]
        for _ in range(3):
            transport.resume_reading()
            await turns(5)

    assert len(protocol.sizes) == 4


# ---- end of stream


@pytest.mark.parametrize("keep", [False, True], ids=["closed", "kept_open"])
@pytest.mark.parametrize("size", [0, 1, 20_000, RECEIVE_BYTES], ids=lambda n: f"after_{n}_bytes")
async def test_end_of_stream_right_behind_data_is_seen_once(size, keep):
    class Protocol(Sizes):
        def eof_received(self):
            super().eof_received()
            return keep

    async with connected(Protocol, large_pair) as (transport, protocol, peer):
        peer.send(bytes(size))
        peer.shutdown(socket.SHUT_WR)
        await wait_until(lambda: "eof_received" in protocol.calls)
        await turns(3)
        if keep:
            assert protocol.calls[-1] == "eof_received"
            transport.pause_reading()
            transport.resume_reading()
            await turns(3)
            transport.close()
        await protocol.closed

    assert len(protocol.received) == size
    assert protocol.calls.count("eof_received") == 1
    assert protocol.calls[-1] == "connection_lost"


async def test_peer_that_is_gone_after_end_of_stream_was_kept_open_ends_the_connection():
    class Protocol(RecordingProtocol):
        def eof_received(self):
            super().eof_received()
            return True

    async with connected(Protocol, tcp_pair) as (transport, protocol, peer):
        peer.close()
        await wait_until(lambda: "eof_received" in protocol.calls)
        transport.write(b"x")  # is answered with a reset
        await turns(2)
        transport.write(b"y")
        await protocol.closed

    assert isinstance(protocol.lost_with, (BrokenPipeError, ConnectionResetError))
