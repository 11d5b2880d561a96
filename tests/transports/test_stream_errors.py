"""StreamTransport: protocols and callers that do what they must not."""

import asyncio

import pytest

from tests.support.protocols import RecordingProtocol
from tests.support.sockets import drain
from tests.support.streams import connected
from tests.support.waiting import turns


class Untruthful:
    """An answer that is neither true nor false."""

    def __bool__(self):
        raise ValueError("neither true nor false")


async def test_eof_received_answer_without_truth_ends_the_connection_only(reports):
    class Protocol(RecordingProtocol):
        def eof_received(self):
            return Untruthful()

    async with connected(Protocol) as (_, protocol, peer):
        peer.close()
        await protocol.closed

    assert isinstance(protocol.lost_with, ValueError)
    assert [report["message"] for report in reports] == [
        "Fatal error: protocol.eof_received() call failed."
    ]
    reports.clear()


@pytest.mark.parametrize("bad", ["text", 1, None, [b"bytes"]], ids=repr)
async def test_writelines_with_one_wrong_piece_writes_nothing(bad):
    async with connected() as (transport, _, peer):
        with pytest.raises(TypeError, match="data argument must be a bytes-like object, not"):
            transport.writelines([b"good", bad, b"good"])

        await turns(2)
        assert drain(peer) == b""


async def test_protocol_that_cannot_be_asked_for_its_class_opens_nothing():
    class Hidden:
        @property
        def __class__(self):
            raise ValueError("no class")

    async with connected() as (_, _, peer):
        loop = asyncio.get_running_loop()
        with pytest.raises(ValueError, match="no class"):
            loop._make_socket_transport(peer, Hidden())

        assert peer.fileno() >= 0
        loop.add_reader(peer, print)  # no transport has the fd
        loop.remove_reader(peer)
