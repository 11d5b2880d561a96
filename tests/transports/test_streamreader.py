"""A StreamReader is fed without a Python frame; what it makes of it is tests/conformance's."""

import asyncio
import sys

import pytest

from tests.support.streams import connected
from tests.support.syscalls import calls_between_marks, needs_strace

FEEDING = {"data_received", "_stream_reader", "feed_data", "_wakeup_waiter"}


async def frames_of_a_receive(protocol_class):
    """Return the names of the Python functions that one receive calls to feed a reader."""
    names = set()

    def note(frame, event, _):
        if event == "call":
            names.add(frame.f_code.co_name)

    reader = asyncio.StreamReader()
    async with connected(lambda: protocol_class(reader)) as (_, _, peer):
        peer.send(b"data")
        sys.setprofile(note)
        try:
            assert await reader.read(100) == b"data"
        finally:
            sys.setprofile(None)
    return names & FEEDING


class Inherited(asyncio.StreamReaderProtocol):
    """A protocol that changes nothing about receiving."""


class Overriding(asyncio.StreamReaderProtocol):
    def data_received(self, data):
        super().data_received(data)


@pytest.mark.parametrize("protocol_class", [asyncio.StreamReaderProtocol, Inherited])
async def test_streamreader_is_fed_without_a_python_frame(protocol_class):
    assert await frames_of_a_receive(protocol_class) == set()


async def test_streamreader_of_an_overriding_protocol_is_fed_through_all_frames():
    assert await frames_of_a_receive(Overriding) == FEEDING


MESSAGES = """
    import asyncio, os, socket
    import ngxloop

    async def main():
        ours, peer = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=ours)
        os.getppid()
        for size in [100_000, 100_000, 150_000, 10, 100_000]:
            peer.sendall(bytes(size))
            await reader.readexactly(size)
        os.getppid()
        writer.close()

    ngxloop.run(main())
"""


@needs_strace
async def test_streamreader_receives_into_its_own_buffer_when_much_came_before():
    calls = calls_between_marks(MESSAGES, "recvfrom", "recvmsg")

    # a socket of this family is looked at until it is empty, with the room of what came
    assert calls["recvmsg"] >= 3
    assert calls["recvfrom"] >= 2
