"""Transports whose fd somebody else has closed."""

import asyncio
import contextlib
import errno
import os

import pytest

from tests.support import pipes
from tests.support.datagrams import endpoint
from tests.support.streams import connected
from tests.support.waiting import wait_until


@contextlib.asynccontextmanager
async def connected_pipe():
    """Give a read pipe transport, its protocol, and the file at the other end."""
    with pipes.pipe() as (read_end, write_end):
        yield *await pipes.connect_reader(read_end), write_end


@pytest.mark.parametrize(
    "connect", [connected, endpoint, connected_pipe], ids=["stream", "datagrams", "pipe"]
)
async def test_fd_closed_by_somebody_else_ends_its_transport_and_nothing_else(connect, reports):
    loop = asyncio.get_running_loop()
    before = loop.stats().connection_count
    async with connect() as (transport, protocol, _):
        owner = transport.get_extra_info("socket") or transport.get_extra_info("pipe")
        os.close(owner.fileno())
        transport.abort() if hasattr(transport, "abort") else transport.close()
        await protocol.closed
        await wait_until(lambda: reports)

    (report,) = reports
    reports.clear()
    assert report["exception"].errno == errno.EBADF
    assert loop.stats().connection_count == before
