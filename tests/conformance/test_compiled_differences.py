"""What compiled code does not call although a program has replaced it, and what to do instead.

docs/differences.md, "What is compiled, and does not call what a program replaces".
"""

import asyncio
import socket
import time
from unittest import mock

import pytest

import ngxloop
from tests.support.loops import is_stdlib, run_turns
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import unix_pair
from tests.support.waiting import wait_until


class Clock:
    """Stands in the place of time.monotonic(), as freezegun's does, until somebody moves it."""

    def __init__(self) -> None:
        self.now = time.monotonic()

    def __call__(self) -> float:
        return self.now


class Ticking(ngxloop.EventLoop):
    """What docs/differences.md tells to do."""

    def time(self) -> float:
        return time.monotonic()


@pytest.mark.parametrize(
    ("loop_class", "moves"),
    [(asyncio.SelectorEventLoop, True), (ngxloop.EventLoop, False), (Ticking, True)],
    ids=["asyncio", "ngxloop", "with_a_clock"],
)
def test_a_clock_in_the_place_of_time_monotonic_moves_timers(loop_class, moves):
    seen = []
    clock = Clock()
    loop = loop_class()
    with mock.patch("time.monotonic", clock):
        loop.call_later(3600, seen.append, "due")
        clock.now += 3601
        run_turns(loop, 2)
    loop.close()

    assert bool(seen) is moves


async def test_a_method_replaced_in_asyncios_class_of_transports_is_called_by_asyncio_only():
    loop = asyncio.get_running_loop()
    with unix_pair() as (ours, _):
        transport, _ = await loop.create_connection(RecordingProtocol, sock=ours)
        asyncios = next(
            owner for owner in type(transport).__mro__ if "pause_reading" in vars(owner)
        )
        if not is_stdlib(loop):
            asyncios = asyncio.Transport
        with mock.patch.object(asyncios, "pause_reading", create=True) as pause_reading:
            try:
                transport.pause_reading()
            finally:
                transport.abort()

    assert pause_reading.called is is_stdlib(loop)


async def test_a_method_replaced_in_the_transport_object_is_called():
    loop = asyncio.get_running_loop()
    with unix_pair() as (ours, _):
        transport, protocol = await loop.create_connection(RecordingProtocol, sock=ours)
        writer = asyncio.StreamWriter(transport, protocol, None, loop)
        with mock.patch.object(transport, "write") as write:
            writer.write(b"data")
        transport.abort()

    write.assert_called_once_with(b"data")


class Counting(socket.socket):
    """A socket with its own recv() and send()."""

    calls = 0

    def recv(self, *args):
        self.calls += 1
        return super().recv(*args)

    def send(self, *args):
        self.calls += 1
        return super().send(*args)


@pytest.fixture
def counting_pair():
    """Give a Counting and its peer, without blocking."""
    ours, peer = socket.socketpair()
    with Counting(fileno=ours.detach()) as counting, peer:
        counting.setblocking(False)
        peer.setblocking(False)
        yield counting, peer


async def test_methods_of_a_socket_subclass_are_called_by_asyncios_transports_only(counting_pair):
    loop = asyncio.get_running_loop()
    sock, peer = counting_pair
    transport, protocol = await loop.create_connection(RecordingProtocol, sock=sock)
    peer.send(b"data")
    await wait_until(lambda: protocol.received == b"data")
    transport.write(b"answer")
    assert await loop.sock_recv(peer, 100) == b"answer"
    transport.abort()

    assert bool(sock.calls) is is_stdlib(loop)


async def test_methods_of_a_socket_subclass_are_called_by_sock_recv_and_sock_sendall(counting_pair):
    loop = asyncio.get_running_loop()
    sock, peer = counting_pair
    peer.send(b"data")

    assert await loop.sock_recv(sock, 100) == b"data"
    await loop.sock_sendall(sock, b"answer")

    assert sock.calls == 2
