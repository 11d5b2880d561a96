"""Two TLS ends that write, pause and end at random, over a relay that cuts records to pieces."""

import asyncio
import contextlib
import random

import pytest

from tests.support.protocols import RecordingBufferedProtocol, RecordingProtocol
from tests.support.relay import Relay
from tests.support.sockets import tcp_pair
from tests.support.tls import client_context, server_context
from tests.support.waiting import turns, wait_until

STEPS = 60
SIZES = [1, 10, 100, 1_000, 16_384, 40_000, 150_000]


class ViewedProtocol(RecordingBufferedProtocol):
    """A buffered protocol that gives a view, for asyncio's issue 156275."""

    def get_buffer(self, sizehint):
        return memoryview(super().get_buffer(sizehint))

    def connection_made(self, transport):
        super().connection_made(transport)
        self.calls.append("connection_made")

    def connection_lost(self, exc):
        super().connection_lost(exc)
        self.calls.append("connection_lost")


class End:
    """One end of a connection, and what it has sent."""

    def __init__(self, randomness: random.Random) -> None:
        self.randomness = randomness
        self.sent = bytearray()
        size = randomness.choice([100, 5_000, 65_536])
        self.protocol = randomness.choice([RecordingProtocol, lambda: ViewedProtocol(size)])()
        self.transport: asyncio.Transport | None = None

    def write(self) -> None:
        if self.transport.is_closing():
            return
        data = self.randomness.randbytes(self.randomness.choice(SIZES))
        self.sent += data
        self.transport.write(self.randomness.choice([bytes, bytearray])(data))

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        self.transport.resume_reading()

    def step(self) -> None:
        self.randomness.choice([self.write, self.write, self.write, self.pause, self.resume])()


@contextlib.asynccontextmanager
async def relayed(randomness: random.Random):
    """Give two connected ends, and the relay between them, which a task drives."""
    loop = asyncio.get_running_loop()
    ends = End(randomness), End(randomness)
    with tcp_pair() as (client_socket, near), tcp_pair() as (server_socket, far):
        relay = Relay(near, far, randomness)

        async def carry():
            while True:
                relay.step()
                await asyncio.sleep(0)

        carrying = asyncio.create_task(carry())
        results = await asyncio.gather(
            loop.create_connection(
                lambda: ends[0].protocol,
                sock=client_socket,
                ssl=client_context(),
                server_hostname="localhost",
            ),
            loop.connect_accepted_socket(
                lambda: ends[1].protocol, server_socket, ssl=server_context()
            ),
        )
        for end, (transport, _) in zip(ends, results, strict=True):
            end.transport = transport
        try:
            yield ends, relay
        finally:
            for end in ends:
                end.transport.abort()
            await wait_until(lambda: client_socket.fileno() == server_socket.fileno() == -1)
            await turns(3)
            carrying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await carrying


def assert_legal(end: End) -> None:
    """Check the order of the calls that a protocol got."""
    names = [call if isinstance(call, str) else call[0] for call in end.protocol.calls]
    assert names[0] == "connection_made"
    assert names.count("connection_made") == 1
    assert names[-1] == "connection_lost"
    assert names.count("connection_lost") == 1
    assert names.count("eof_received") <= 1
    if "eof_received" in names:
        behind = names[names.index("eof_received") :]
        assert not {"data_received", "buffer_updated"} & set(behind)


@pytest.mark.parametrize("seed", range(6))
async def test_everything_arrives_in_order_and_then_the_end(seed):
    randomness = random.Random(seed)
    async with relayed(randomness) as (ends, _):
        for _ in range(STEPS):
            randomness.choice(ends).step()
            await turns(randomness.randrange(3))
        for end in ends:
            end.transport.resume_reading()
        one, other = ends
        await wait_until(
            lambda: one.protocol.received == other.sent and other.protocol.received == one.sent
        )
        randomness.choice(ends).transport.close()
        for end in ends:
            await end.protocol.closed
        for end in ends:
            assert_legal(end)
            assert end.protocol.lost_with is None


@pytest.mark.parametrize("seed", range(6))
async def test_what_was_written_before_a_close_arrives_before_the_end(seed):
    randomness = random.Random(seed)
    async with relayed(randomness) as (ends, _):
        writer, reader = randomness.sample(ends, 2)
        for _ in range(STEPS):
            writer.write()
            randomness.choice([reader.pause, reader.resume])()
            await turns(randomness.randrange(3))
        writer.transport.close()
        await turns(randomness.randrange(5))
        reader.transport.resume_reading()
        for end in ends:
            await end.protocol.closed

        assert reader.protocol.received == writer.sent
        for end in ends:
            assert_legal(end)
            assert end.protocol.lost_with is None


@pytest.mark.parametrize("how", ["close", "abort", "cut"])
@pytest.mark.parametrize("seed", range(6))
async def test_whenever_it_ends_each_side_has_a_beginning_of_what_was_sent(seed, how):
    randomness = random.Random(seed)
    async with relayed(randomness) as (ends, relay):
        last = randomness.randrange(STEPS)
        for _ in range(last):
            randomness.choice(ends).step()
            await turns(randomness.randrange(3))
        ender = randomness.choice(ends)
        if how == "cut":
            for sock in relay.other:
                sock.close()
            relay.other.clear()
        else:
            getattr(ender.transport, how)()
        for end in ends:
            end.transport.resume_reading()
        for end in ends:
            await end.protocol.closed
        one, other = ends

        assert other.sent.startswith(one.protocol.received)
        assert one.sent.startswith(other.protocol.received)
        for end in ends:
            assert_legal(end)
