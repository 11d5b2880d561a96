"""A loop that has callbacks to run looks for I/O in each turn: no reader waits for a later one.

Programs rely on `sleep(0)` letting I/O happen. How many it takes is counted, many times over: a
loop that looks only now and then, by the clock or by a number of turns, is late in some of them.
"""

import asyncio
import contextlib
import os
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from tests.support.sockets import tcp_pair, unix_pair
from tests.support.waiting import DEADLINE

TRIALS = 300
SLEEPS_MAX = 1000


class Source(NamedTuple):
    """Something that can be made readable, and read empty."""

    fd: int
    fill: Callable[[], object]
    drain: Callable[[], object]


@contextlib.contextmanager
def eventfd_source() -> Iterator[Source]:
    fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
    yield Source(fd, lambda: os.eventfd_write(fd, 1), lambda: os.eventfd_read(fd))
    os.close(fd)


@contextlib.contextmanager
def pipe_source() -> Iterator[Source]:
    read_fd, write_fd = os.pipe()
    yield Source(read_fd, lambda: os.write(write_fd, b"x"), lambda: os.read(read_fd, 100))
    os.close(read_fd)
    os.close(write_fd)


def source_of(ours: socket.socket, peer: socket.socket) -> Source:
    return Source(ours.fileno(), lambda: peer.send(b"x"), lambda: ours.recv(100))


@contextlib.contextmanager
def socketpair_source() -> Iterator[Source]:
    with unix_pair() as pair:
        yield source_of(*pair)


@contextlib.contextmanager
def loopback_source() -> Iterator[Source]:
    with tcp_pair() as pair:
        yield source_of(*pair)


@pytest.fixture(
    params=[eventfd_source, pipe_source, socketpair_source, loopback_source],
    ids=["eventfd", "pipe", "socketpair", "loopback"],
)
def source(request: pytest.FixtureRequest) -> Iterator[Source]:
    """Give each kind of source in turn."""
    with request.param() as source:
        yield source


def fill_and_wait(source: Source) -> None:
    """Fill the source; return when the kernel says so. TCP may take a moment on a busy machine."""
    source.fill()
    assert select.select([source.fd], [], [], DEADLINE)[0]


def fill_in_thread(source: Source) -> None:
    """The same from another thread, which has ended on return."""
    thread = threading.Thread(target=fill_and_wait, args=(source,))
    thread.start()
    thread.join()


async def sleeps_until(seen: list[object]) -> int:
    """Return how many times sleep(0) was awaited until something was seen."""
    for count in range(1, SLEEPS_MAX):
        await asyncio.sleep(0)
        if seen:
            return count
    raise AssertionError(f"nothing was seen in {SLEEPS_MAX} turns")


@pytest.mark.parametrize("fill", [fill_and_wait, fill_in_thread])
async def test_a_reader_runs_before_the_second_sleep_zero_ends(source, fill):
    loop = asyncio.get_running_loop()
    seen = []
    loop.add_reader(source.fd, lambda: (source.drain(), seen.append(True)))
    counts = set()
    for _ in range(TRIALS):
        seen.clear()
        fill(source)
        counts.add(await sleeps_until(seen))
    loop.remove_reader(source.fd)

    assert counts == {2}


async def test_a_reader_runs_in_the_turn_after_a_callback_that_writes(source):
    loop = asyncio.get_running_loop()
    order = []
    loop.add_reader(source.fd, lambda: (source.drain(), order.append("read")))

    def write():
        order.append("write")
        fill_and_wait(source)
        loop.call_soon(order.append, "before the poll")
        loop.call_soon(loop.call_soon, order.append, "one turn later")

    for _ in range(TRIALS):
        order.clear()
        loop.call_soon(write)
        for _ in range(4):
            await asyncio.sleep(0)
        assert order == ["write", "before the poll", "read", "one turn later"]
    loop.remove_reader(source.fd)


class Seeing(asyncio.Protocol):
    """Notes what is received."""

    def __init__(self) -> None:
        self.seen: list[object] = []

    def data_received(self, data: bytes) -> None:
        self.seen.append(data)


@pytest.mark.parametrize("pair", [unix_pair, tcp_pair])
async def test_a_protocol_is_told_before_the_second_sleep_zero_ends(pair):
    loop = asyncio.get_running_loop()
    with pair() as (ours, peer):
        fd = ours.fileno()
        transport, protocol = await loop.create_connection(Seeing, sock=ours)
        await asyncio.sleep(0)
        counts = set()
        for _ in range(TRIALS):
            protocol.seen.clear()
            peer.send(b"x")
            assert select.select([fd], [], [], DEADLINE)[0]
            counts.add(await sleeps_until(protocol.seen))
        transport.abort()
        await asyncio.sleep(0)

    assert max(counts) == 2  # ngxloop looks at a new connection once before the kernel tells of it
