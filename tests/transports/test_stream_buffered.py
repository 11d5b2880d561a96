"""StreamTransport with a BufferedProtocol: any buffer, good or bad."""

import array
import asyncio
import mmap

import pytest

from tests.support.protocols import RecordingBufferedProtocol
from tests.support.sockets import unix_pair
from tests.support.streams import connected
from tests.support.waiting import wait_until


class Giving(RecordingBufferedProtocol):
    """Give whatever `make` makes."""

    make = staticmethod(lambda: bytearray(10))

    def get_buffer(self, sizehint):
        self.buffer = self.make()
        return self.buffer

    def buffer_updated(self, nbytes):
        self.calls.append(("buffer_updated", nbytes))
        self.received += memoryview(self.buffer).cast("B")[:nbytes]


@pytest.mark.parametrize(
    ("make", "size"),
    [
        (lambda: bytearray(1), 1),
        (lambda: bytearray(7), 7),
        (lambda: memoryview(bytearray(7)), 7),
        (lambda: memoryview(bytearray(100))[10:20], 10),
        (lambda: array.array("I", [0] * 4), 16),
        (lambda: mmap.mmap(-1, 4096), 4096),
    ],
    ids=["one_byte", "bytearray", "memoryview", "slice", "array", "mmap"],
)
async def test_any_writable_buffer_is_filled_up_to_its_size(make, size):
    class Protocol(Giving):
        pass

    Protocol.make = staticmethod(make)
    sent = bytes(range(256)) * 20
    async with connected(Protocol, unix_pair) as (_, protocol, peer):
        peer.send(sent)
        await wait_until(lambda: len(protocol.received) == len(sent))

    counts = [count for name, count in protocol.calls if name == "buffer_updated"]
    assert protocol.received == sent
    assert max(counts) == size


@pytest.mark.parametrize(
    "make",
    [
        bytearray,
        lambda: b"read only",
        lambda: memoryview(b"read only"),
        lambda: memoryview(bytearray(10))[::2],
        lambda: None,
        lambda: 5,
        lambda: "text",
        lambda: 1 / 0,
    ],
    ids=["empty", "bytes", "view_of_bytes", "gaps", "none", "number", "text", "raises"],
)
async def test_unusable_buffer_is_reported_and_ends_the_connection(make, reports):
    class Protocol(Giving):
        pass

    Protocol.make = staticmethod(make)
    async with connected(Protocol, unix_pair) as (_, protocol, peer):
        peer.send(b"x")
        await protocol.closed

    assert [report["message"] for report in reports] == [
        "Fatal error: protocol.get_buffer() call failed."
    ]
    assert reports[0]["exception"] is protocol.lost_with
    reports.clear()


async def test_buffer_is_free_to_be_resized_in_buffer_updated():
    class Resizing(Giving):
        def buffer_updated(self, nbytes):
            super().buffer_updated(nbytes)
            self.buffer.clear()

    async with connected(Resizing, unix_pair) as (_, protocol, peer):
        peer.send(b"x" * 25)
        await wait_until(lambda: len(protocol.received) == 25)


async def test_full_buffer_is_followed_by_another_in_the_next_turn():
    loop = asyncio.get_running_loop()
    seen = []

    class Protocol(Giving):
        def buffer_updated(self, nbytes):
            seen.append((nbytes, loop.turn_count))

    async with connected(Protocol, unix_pair) as (_, _, peer):
        peer.send(b"x" * 25)
        await wait_until(lambda: len(seen) == 3)

    assert [count for count, _ in seen] == [10, 10, 5]
    assert [turn - seen[0][1] for _, turn in seen] == [0, 1, 2]
