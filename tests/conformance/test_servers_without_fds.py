"""A server in a process that has no file descriptor left for the next connection."""

import asyncio
import contextlib
import os
import resource
import socket

from tests.support.loops import is_stdlib
from tests.support.protocols import EchoProtocol
from tests.support.sockets import receive
from tests.support.streams import address_of, serving
from tests.support.waiting import turns, wait_until


@contextlib.contextmanager
def no_more_fds():
    """Let every attempt to open a file descriptor fail with EMFILE."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def accepts_later(loop):
    """Say whether asyncio's loop is about to accept again."""
    return is_stdlib(loop) and any("_start_serving" in repr(one) for one in loop._scheduled)


async def test_the_shortage_is_reported_once_and_the_connection_served_when_it_ends(reports):
    protocols = []

    def factory():
        protocols.append(EchoProtocol())
        return protocols[-1]

    async with serving(factory) as server:
        with socket.socket() as client:
            listening = server.sockets[0]
            with no_more_fds():
                client.connect(address_of(server))
                client.setblocking(False)
                client.send(b"hello")
                await wait_until(lambda: reports)
                await turns(20)
                report = reports.pop()
                if is_stdlib(asyncio.get_running_loop()):
                    reports.clear()  # asyncio reports it once for each place in the backlog
                assert not reports
            assert await receive(client, 5) == b"hello"
        await protocols[0].closed
        # asyncio has a timer for each place, too: one that fires after close() would report that
        await wait_until(lambda: not accepts_later(asyncio.get_running_loop()))
        assert report["message"] == "socket.accept() out of system resource"
        assert report["exception"].strerror == "Too many open files"
        assert report["socket"].fileno() == listening.fileno()
