"""What a transport has closed its owner may close again, when its number is another file's."""

import asyncio
import contextlib
import os
import socket

import pytest

from tests.support.datagrams import RecordingEndpoint
from tests.support.pipes import reader_of, writer_of
from tests.support.protocols import RecordingProtocol
from tests.support.waiting import turns, wait_until


async def stream(loop):
    ours, peer = socket.socketpair()
    return ours, peer, await loop.create_connection(RecordingProtocol, sock=ours)


async def datagrams(loop):
    ours, peer = socket.socketpair(type=socket.SOCK_DGRAM)
    return ours, peer, await loop.create_datagram_endpoint(RecordingEndpoint, sock=ours)


async def read_pipe(loop):
    ours, peer = (make(fd) for make, fd in zip((reader_of, writer_of), os.pipe(), strict=True))
    return ours, peer, await loop.connect_read_pipe(RecordingProtocol, ours)


async def write_pipe(loop):
    peer, ours = (make(fd) for make, fd in zip((reader_of, writer_of), os.pipe(), strict=True))
    return ours, peer, await loop.connect_write_pipe(RecordingProtocol, ours)


@contextlib.contextmanager
def file_with_number(number):
    """Give another file the number, which is free."""
    fds = [os.open("/dev/null", os.O_RDONLY)]
    while fds[-1] < number:
        fds.append(os.open("/dev/null", os.O_RDONLY))
    assert fds[-1] == number
    try:
        yield
    finally:
        for fd in fds:
            os.close(fd)


@pytest.mark.parametrize("connect", [stream, datagrams, read_pipe, write_pipe])
async def test_what_its_transport_has_closed_its_owner_closes_once_more_without_harm(connect):
    ours, peer, (transport, protocol) = await connect(asyncio.get_running_loop())
    number = ours.fileno()
    with peer:
        transport.close()
        await protocol.closed
        await wait_until(lambda: not os.path.exists(f"/proc/self/fd/{number}"), "the close")
        with file_with_number(number):
            ours.close()
            transport.close()
            await turns(2)
            assert os.readlink(f"/proc/self/fd/{number}") == "/dev/null"
