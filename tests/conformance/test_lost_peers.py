"""Writing to a peer that has dropped the connection raises nothing, whoever notices first."""

import asyncio
import sys

import pytest

from tests.support.loops import is_stdlib
from tests.support.sockets import reset
from tests.support.streams import connected

WRITES = {
    "write": lambda transport: transport.write(b"nobody hears this"),
    "writelines": lambda transport: transport.writelines([b"nobody ", b"hears this"]),
    "write_eof": lambda transport: transport.write_eof(),
}

# asyncio's writelines() does.
RAISES = (3, 12) <= sys.version_info < (3, 14)


@pytest.mark.parametrize("name", WRITES)
async def test_nothing_that_writes_raises_after_the_peer_has_dropped_the_connection(name):
    if name == "writelines" and RAISES and is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio raises AttributeError from Python 3.12 to 3.13")
    async with connected() as (transport, protocol, peer):
        reset(peer)
        await protocol.closed
        for _ in range(10):
            WRITES[name](transport)

        assert transport.is_closing()
        assert transport.get_write_buffer_size() == 0


@pytest.mark.parametrize("name", ["write", "writelines"])
async def test_a_write_before_the_drop_is_noticed_raises_nothing_either(name):
    async with connected() as (transport, protocol, peer):
        reset(peer)
        for _ in range(10):
            WRITES[name](transport)
        await protocol.closed

    assert isinstance(protocol.lost_with, ConnectionError)
