"""Two ends of a connection that write, pause, resume and change protocols at random."""

import asyncio
import random

import pytest

from tests.support.protocols import RecordingBufferedProtocol, RecordingProtocol
from tests.support.sockets import tcp_pair
from tests.support.waiting import turns, wait_until

STEPS = 150
SIZES = [0, 1, 10, 100, 1_000, 10_000, 65_536, 100_000, 300_000]


class End:
    """One end: what it has sent, what it has received, and random things it can do."""

    def __init__(self, randomness: random.Random) -> None:
        self.randomness = randomness
        self.sent = bytearray()
        self.received = bytearray()
        self.transport: asyncio.Transport | None = None
        self.protocols: list[RecordingProtocol | RecordingBufferedProtocol] = []

    def new_protocol(self) -> RecordingProtocol | RecordingBufferedProtocol:
        """Return a protocol of a random kind that receives into `received`."""
        size = self.randomness.choice([100, 5_000, 65_536])
        protocol = self.randomness.choice(
            [RecordingProtocol, lambda: RecordingBufferedProtocol(size)]
        )()
        protocol.received = self.received
        self.protocols.append(protocol)
        return protocol

    def payload(self) -> bytes:
        """Return random bytes of a random size, noted as sent."""
        data = self.randomness.randbytes(self.randomness.choice(SIZES))
        self.sent += data
        return data

    def write(self) -> None:
        kind = self.randomness.choice([bytes, bytearray, memoryview])
        self.transport.write(kind(self.payload()))

    def writelines(self) -> None:
        self.transport.writelines([self.payload() for _ in range(self.randomness.randrange(1, 6))])

    def pause(self) -> None:
        self.transport.pause_reading()

    def resume(self) -> None:
        self.transport.resume_reading()

    def change_protocol(self) -> None:
        self.transport.set_protocol(self.new_protocol())

    def change_limits(self) -> None:
        self.transport.set_write_buffer_limits(high=self.randomness.choice([0, 1000, 100_000]))

    def step(self) -> None:
        """Do one of these things."""
        self.randomness.choice(
            [
                self.write,
                self.write,
                self.writelines,
                self.pause,
                self.resume,
                self.resume,
                self.change_protocol,
                self.change_limits,
            ]
        )()


@pytest.mark.parametrize("seed", range(5))
async def test_everything_arrives_in_order_whatever_the_ends_do(seed):
    randomness = random.Random(seed)
    loop = asyncio.get_running_loop()
    ends = End(randomness), End(randomness)
    with tcp_pair() as sockets:
        for end, sock in zip(ends, sockets, strict=True):
            end.transport, _ = await loop.create_connection(end.new_protocol, sock=sock)
        for _ in range(STEPS):
            randomness.choice(ends).step()
            await turns(randomness.randrange(3))
        one, other = ends
        for end in ends:
            end.transport.resume_reading()
        await wait_until(
            lambda: len(one.received) >= len(other.sent) and len(other.received) >= len(one.sent)
        )
        for end in ends:
            end.transport.close()
        for end in ends:
            await end.protocols[-1].closed

    assert one.received == other.sent
    assert other.received == one.sent
    assert [end.protocols[-1].lost_with for end in ends] == [None, None]


@pytest.mark.parametrize("seed", range(5))
async def test_everything_arrives_before_the_end_of_stream_whatever_the_ends_do(seed):
    randomness = random.Random(seed)
    loop = asyncio.get_running_loop()
    ends = End(randomness), End(randomness)
    with tcp_pair() as sockets:
        for end, sock in zip(ends, sockets, strict=True):
            end.transport, _ = await loop.create_connection(end.new_protocol, sock=sock)
        for _ in range(STEPS // 2):
            randomness.choice(ends).step()
            await turns(randomness.randrange(3))
        writer, reader = ends
        writer.transport.resume_reading()
        await wait_until(lambda: len(writer.received) == len(reader.sent))
        writer.transport.close()  # with whatever still waits to be sent
        await turns(randomness.randrange(5))
        reader.transport.resume_reading()
        for end in ends:
            await end.protocols[-1].closed

    assert reader.received == writer.sent
