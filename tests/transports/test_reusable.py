"""Idle connections are closed for new ones, the one that has been idle longest first."""

import asyncio
import contextlib
import socket

import pytest

import ngxloop
from ngxloop.core.gates import make_gate
from ngxloop.core.scoreboard import READY, Scoreboard
from tests.support.waiting import DEADLINE, turns
from tests.transports.accepting import Factory, close_all, connect_all

LIMIT = 32  # idle ones are closed while at most 2 are free


@pytest.fixture
def run():
    """Run a test on a loop with a gate for LIMIT connections."""
    board = Scoreboard(1)
    board.claim(0, 1)
    board.set_state(0, READY)
    loop = ngxloop.new_event_loop()
    loop.set_accept_gate(make_gate("plain", board, 0, worker_connections=LIMIT, accept_limit=100))

    def run(test):
        with contextlib.ExitStack() as stack:
            loop.run_until_complete(asyncio.wait_for(test(stack), DEADLINE))

    yield run
    loop.close()


async def serve(stack, count):
    """Return the factory, and the clients, of a server with so many accepted connections."""
    factory = Factory()
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    stack.callback(server.close)
    address = server.sockets[0].getsockname()
    clients = connect_all(stack, address, count)
    await made(factory, count)
    return factory, address, clients


async def made(factory, count):
    while len(factory.made) < count or (count and factory.made[-1].transport is None):
        await turns(1)


def is_closed(client):
    try:
        return client.recv(1) == b""
    except BlockingIOError:
        return False


@pytest.mark.parametrize("used", [29, 30])
def test_the_oldest_idle_connection_goes_when_a_sixteenth_is_left(run, used):
    async def test(stack):
        factory, address, clients = await serve(stack, used - 1)
        for index in (5, 3, 4):
            factory.made[index].transport.set_reusable(True)
        clients += connect_all(stack, address, 1)
        await made(factory, used)
        await turns(3)
        closed = [index for index, client in enumerate(clients) if is_closed(client)]
        assert closed == ([] if used < LIMIT - 2 else [5])
        await close_all(factory)

    run(test)


def test_a_connection_that_has_received_or_is_busy_again_stays(run):
    async def test(stack):
        factory, address, clients = await serve(stack, LIMIT - 3)
        for index in (0, 1, 2):
            factory.made[index].transport.set_reusable(True)
        factory.made[0].transport.set_reusable(False)
        clients[1].send(b"a request")
        while not factory.made[1].received:
            await turns(1)
        clients += connect_all(stack, address, 1)
        await made(factory, LIMIT - 2)
        await turns(3)
        assert [index for index, client in enumerate(clients) if is_closed(client)] == [2]
        await close_all(factory)

    run(test)


def test_a_worker_with_idle_connections_is_never_full(run):
    async def test(stack):
        factory, address, _ = await serve(stack, 0)
        with contextlib.ExitStack() as many:
            for count in range(1, 4 * LIMIT):
                connect_all(many, address, 1)
                await made(factory, count)
                factory.made[-1].transport.set_reusable(True)
        assert sum(not protocol.transport.is_closing() for protocol in factory.made) < LIMIT
        await close_all(factory)

    run(test)


async def test_a_closed_transport_cannot_be_reusable():
    ours, theirs = socket.socketpair()
    with theirs:
        ours.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
        if not hasattr(transport, "set_reusable"):
            pytest.skip("another loop")
        transport.close()
        transport.set_reusable(True)
        await turns(2)
        transport.set_reusable(True)
