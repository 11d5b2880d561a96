"""Turns inside a callback of a connection or a server, whose events the inner turn may take."""

import asyncio
import contextlib
import os
import resource
import socket

import pytest

from ngxloop.core.gates import make_gate
from ngxloop.core.scoreboard import Scoreboard
from tests.probes.poller import IN
from tests.support import loops
from tests.support.loops import run_turns
from tests.support.sockets import LOOPBACK, unix_pair
from tests.support.waiting import DEADLINE


class Nesting(asyncio.Protocol):
    """A protocol that turns the loop in data_received() until the peer has been heard again."""

    def __init__(self, turn, peer):
        self.turn = turn
        self.peer = peer
        self.received = []
        self.lost = 0

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received.append(data)
        if data == b"question":
            self.peer.send(b"answer")
            while len(self.received) < 2:
                self.turn()
            self.received.append(b"end")
        elif data == b"close":
            self.transport.close()
            while not self.lost:
                self.turn()

    def connection_lost(self, exc):
        self.lost += 1


class NestingBuffered(Nesting, asyncio.BufferedProtocol):
    def get_buffer(self, sizehint):
        self.buffer = bytearray(100)
        return self.buffer

    def buffer_updated(self, count):
        self.data_received(bytes(self.buffer[:count]))


@pytest.mark.parametrize("protocol_class", [Nesting, NestingBuffered])
def test_a_protocol_may_wait_for_data_inside_data_received(loop, turn, pair, protocol_class):
    ours, peer = pair

    async def main():
        _, protocol = await loop.create_connection(lambda: protocol_class(turn, peer), sock=ours)
        peer.send(b"question")
        while len(protocol.received) < 3:
            await asyncio.sleep(0)
        return protocol

    # The task is not inside a step while the protocol turns the loop.
    protocol = loop.run_until_complete(main())
    assert protocol.received == [b"question", b"answer", b"end"]
    protocol.transport.abort()
    run_turns(loop, 2)


@pytest.mark.parametrize("protocol_class", [Nesting, NestingBuffered])
def test_a_connection_may_end_inside_data_received(loop, turn, pair, protocol_class):
    ours, peer = pair

    async def main():
        _, protocol = await loop.create_connection(lambda: protocol_class(turn, peer), sock=ours)
        peer.send(b"close")
        while not protocol.lost:
            await asyncio.sleep(0)
        return protocol

    protocol = loop.run_until_complete(main())
    run_turns(loop, 2)

    assert (protocol.received, protocol.lost) == ([b"close"], 1)


def test_a_slot_that_was_freed_inside_a_callback_serves_the_next_connection(loop, turn, probe):
    """The callback goes on after its connection's slot has another user."""
    with unix_pair() as (first, first_peer), unix_pair() as (second, second_peer):
        seen = []

        async def main():
            _, protocol = await loop.create_connection(
                lambda: Nesting(turn, first_peer), sock=first
            )
            first_peer.send(b"close")
            while not protocol.lost:
                await asyncio.sleep(0)
            transport, _ = await loop.create_connection(Receiving, sock=second)
            second_peer.send(b"data")
            while not seen:
                await asyncio.sleep(0)
            transport.abort()

        class Receiving(asyncio.Protocol):
            def data_received(self, data):
                seen.append(data)

        loop.run_until_complete(main())
        run_turns(loop, 2)
    assert seen == [b"data"]
    assert probe.used_count == 0


def test_a_protocol_factory_may_turn_the_loop(loop, turn):
    accepted = []

    class Server(asyncio.Protocol):
        def connection_made(self, transport):
            accepted.append(transport)

    def factory():
        loop.call_soon(int)
        turn()
        return Server()

    server = loop.run_until_complete(loop.create_server(factory, LOOPBACK, 0))
    address = server.sockets[0].getsockname()
    clients = [socket.create_connection(address) for _ in range(5)]
    while len(accepted) < 5:
        loop._run_once()
    for each in (*clients, server):
        each.close()
    for transport in accepted:
        transport.abort()
    run_turns(loop, 2)


def test_the_accept_mutex_is_free_after_a_turn_inside_an_accept(loop, turn):
    board = Scoreboard(1)
    board.claim(0, os.getpid())
    loop.set_accept_gate(make_gate("mutex", board, 0))
    seen = []

    def factory():
        loop.call_soon(int)
        turn()
        seen.append(board.mutex_pid)
        return asyncio.Protocol()

    server = loop.run_until_complete(loop.create_server(factory, LOOPBACK, 0))
    with socket.create_connection(server.sockets[0].getsockname()):
        loop.call_later(DEADLINE, int)
        while not seen:
            loop._run_once()
        assert seen == [0]
        assert board.mutex_pid == 0
    server.close()
    run_turns(loop, 2)


def test_no_event_is_lost_if_a_report_about_epoll_turns_the_loop(loop, probe, pair):
    """The inner turn's events would lie over those of the outer one."""
    ours, peer = pair
    seen = []
    loop.add_reader(ours, print)
    stale_key = probe.slot(ours.fileno()).key
    loop.remove_reader(ours)
    run_turns(loop, 1)
    loop.add_reader(ours, lambda: seen.append(ours.recv(10)))
    key = probe.slot(ours.fileno()).key
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(unix_pair()) for _ in range(3)]
        for other, other_peer in others:
            loop.add_reader(other, other.recv, 10)
            other_peer.send(b"other")
        peer.send(b"live")
        loop.remove_writer(ours)
        run_turns_on_report(loop)
        probe.dispatch([(stale_key, IN)])
        loop._selector.select(0)
        loop._ready.clear()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
        try:
            probe.dispatch([(stale_key, IN), (key, IN)])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        run_turns(loop, 2)
        for other, _ in others:
            loop.remove_reader(other)
        loop.remove_reader(ours)

    assert seen == [b"live"]
    assert len(loops.reports) == 1
    loops.reports.clear()


def run_turns_on_report(loop):
    def handler(_loop, context):
        loops.reports.append(context)
        loop.call_soon(int)
        loop._run_once()

    loop.set_exception_handler(handler)
