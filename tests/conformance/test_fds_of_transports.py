"""File descriptors that belong to transports: who else may watch them, and when."""

import asyncio
import os

import pytest

from tests.support.loops import is_stdlib
from tests.support.pipes import file_of
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import unix_pair
from tests.support.streams import connected
from tests.support.waiting import wait_until


async def test_the_fd_of_a_transport_that_still_sends_while_closing():
    loop = asyncio.get_running_loop()
    async with connected(pair=unix_pair) as (transport, protocol, _):
        fd = transport.get_extra_info("socket").fileno()
        transport.write(bytes(1 << 20))
        transport.close()
        assert not protocol.closed.done()

        if is_stdlib(loop):
            loop.add_reader(fd, int)
            assert loop.remove_reader(fd) is True
        else:  # docs/differences.md: its slot is the transport's until it is closed
            with pytest.raises(RuntimeError, match=f"^File descriptor {fd} is used by transport "):
                loop.add_reader(fd, int)
        assert loop.remove_reader(fd) is False


async def test_the_fd_of_an_open_pipe_is_the_transports():
    loop = asyncio.get_running_loop()
    reader, writer = os.pipe()
    protocol = RecordingProtocol()
    with file_of(writer, "wb") as writing:
        transport, _ = await loop.connect_read_pipe(lambda: protocol, file_of(reader, "rb"))
        fd = transport.get_extra_info("pipe").fileno()
        if is_stdlib(loop):
            loop.add_reader(fd, int)  # the transport hears nothing from now on
            assert loop.remove_reader(fd) is True
        else:
            with pytest.raises(RuntimeError, match=f"^File descriptor {fd} is used by transport "):
                loop.add_reader(fd, int)
            os.write(writing.fileno(), b"data")
            await wait_until(lambda: "data_received" in protocol.calls)
        transport.close()
        await protocol.closed


async def test_a_duplicate_of_a_lost_transports_socket_may_be_watched():
    loop = asyncio.get_running_loop()
    async with connected(pair=unix_pair) as (transport, protocol, _):
        kept = transport.get_extra_info("socket").dup()
        transport.close()
        await protocol.closed
    with kept:
        seen = []
        loop.add_writer(kept, seen.append, "writable")
        await wait_until(lambda: seen)
        loop.remove_writer(kept)

    assert seen[0] == "writable"
