"""A StreamReader is fed without a Python frame; what it makes of it is tests/conformance's."""

import asyncio
import sys

import pytest

from tests.support.streams import connected

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
