"""Accept gates: how they are made and given to a loop."""

import asyncio
import os
import socket

import pytest

import ngxloop
from ngxloop.core.exclusive_gate import ExclusiveGate
from ngxloop.core.fair_gate import FairGate
from ngxloop.core.gate import AcceptGate
from ngxloop.core.gates import make_gate
from ngxloop.core.mutex_gate import MutexGate
from ngxloop.core.scoreboard import READY, Scoreboard
from ngxloop.core.shared_gate import SharedGate
from tests.core.wakeup_fds import board_and_wakeup_fds, was_woken
from tests.support.waiting import DEADLINE


@pytest.mark.parametrize(
    ("mode", "gate_class"),
    [
        ("fair", FairGate),
        ("mutex", MutexGate),
        ("exclusive", ExclusiveGate),
        ("plain", SharedGate),
        ("reuseport", SharedGate),
    ],
)
def test_make_gate_gives_the_gate_of_the_mode(mode, gate_class):
    assert type(make_gate(mode, Scoreboard(1), 0)) is gate_class


@pytest.mark.parametrize(
    ("arguments", "options", "error", "text"),
    [
        (("swift", Scoreboard(1), 0), {}, ValueError, "fair, mutex, exclusive, plain"),
        (("fair", Scoreboard(1), 1), {}, ValueError, "slot must be from 0 to 0, not 1"),
        (("fair", Scoreboard(1), -1), {}, ValueError, "slot must be from 0 to 0, not -1"),
        (("fair", Scoreboard(1), 1 << 70), {}, ValueError, None),
        (("fair", Scoreboard(1), "0"), {}, TypeError, None),
        (("fair", None, 0), {}, TypeError, "board"),
        (("fair", object(), 0), {}, TypeError, "board"),
        (("fair", Scoreboard(1), 0), {"worker_connections": 0}, ValueError, "must be positive"),
        (("fair", Scoreboard(1), 0), {"worker_connections": -5}, ValueError, "must be positive"),
        (("fair", Scoreboard(1), 0), {"worker_connections": 1.5}, TypeError, None),
        (("fair", Scoreboard(1), 0), {"accept_limit": 0}, ValueError, "must be positive"),
        (("fair", Scoreboard(1), 0), {"accept_limit": 1 << 40}, ValueError, "must be positive"),
    ],
)
def test_make_gate_with_wrong_arguments_says_which(arguments, options, error, text):
    with pytest.raises(error, match=text):
        make_gate(*arguments, **options)


@pytest.mark.parametrize("gate_class", [FairGate, MutexGate, ExclusiveGate, SharedGate])
def test_new_without_arguments_is_a_type_error(gate_class):
    with pytest.raises(TypeError):
        gate_class.__new__(gate_class)


def test_worker_connections_default_to_the_limit_of_fds_less_a_reserve():
    soft_limit = os.sysconf("SC_OPEN_MAX")
    expected = max(soft_limit - 64, soft_limit // 2)
    assert make_gate("fair", Scoreboard(1), 0).worker_connections == expected


@pytest.fixture
def loop():
    loop = ngxloop.new_event_loop()
    yield loop
    loop.close()


def test_set_accept_gate_without_a_gate_is_a_type_error(loop):
    for wrong in (None, object()):
        with pytest.raises(TypeError):
            loop.set_accept_gate(wrong)


def test_gate_of_another_loop_is_refused(loop):
    gate = make_gate("fair", Scoreboard(1), 0)
    loop.set_accept_gate(gate)
    other = ngxloop.new_event_loop()
    try:
        with pytest.raises(RuntimeError, match="belongs to another loop"):
            other.set_accept_gate(gate)
    finally:
        other.close()


def test_second_gate_is_refused(loop):
    board = Scoreboard(2)
    loop.set_accept_gate(make_gate("fair", board, 0))
    with pytest.raises(RuntimeError, match="an accept gate already"):
        loop.set_accept_gate(make_gate("fair", board, 1))


def test_gate_for_a_loop_with_listeners_is_refused(loop):
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
    with pytest.raises(RuntimeError, match="has listeners"):
        loop.set_accept_gate(make_gate("fair", Scoreboard(1), 0))
    server.close()
    loop.run_until_complete(server.wait_closed())


def test_gate_for_a_closed_loop_is_refused():
    loop = ngxloop.new_event_loop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.set_accept_gate(AcceptGate())


def test_gate_of_a_closed_loop_has_no_connections(loop):
    board = Scoreboard(1)
    loop.set_accept_gate(make_gate("fair", board, 0))
    board.claim(0, os.getpid())
    board.set_state(0, READY)

    async def serve_one() -> None:
        connected = asyncio.Event()
        lost = asyncio.Event()

        class Server(asyncio.Protocol):
            def connection_made(self, transport):
                self.transport = transport
                connected.set()

            def connection_lost(self, exc):
                lost.set()

        server = await loop.create_server(Server, "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()):
            await connected.wait()
            assert board.read(0)["active"] == 1
        await lost.wait()
        server.close()
        await server.wait_closed()

    loop.run_until_complete(serve_one())
    loop.close()
    assert board.read(0)["active"] == 0
    assert not board.read(0)["listening"]


def test_scoreboard_has_the_bytes_of_the_loop_that_has_the_gate(loop):
    board, _ = board_and_wakeup_fds(1)
    board.claim(0, os.getpid())
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        loop.run_until_complete(exchange(ours, theirs))  # before it has the gate
        loop.set_accept_gate(SharedGate(board, 0))
        for count in (1, 2):
            loop.run_until_complete(exchange(ours, theirs))
            values = board.read(0)
            assert (values["sent_bytes"], values["received_bytes"]) == (3 * count, 5 * count)


async def exchange(ours: socket.socket, theirs: socket.socket) -> None:
    """Send three bytes and receive five, on a transport."""
    reader, writer = await asyncio.open_connection(sock=ours.dup())
    writer.write(b"abc")
    theirs.sendall(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("gate_class", [FairGate, ExclusiveGate])
def test_listener_closed_with_a_connection_reported_rings_for_the_others(gate_class, loop):
    board, wakeup_fds = board_and_wakeup_fds(2)
    board.claim(0, os.getpid())
    board.claim(1, os.getpid())
    loop.set_accept_gate(gate_class(board, 0))
    # Before Python 3.12 a closed server takes no connection, which is reported.
    loop.set_exception_handler(lambda _loop, _context: None)
    servers: list[asyncio.Server] = []

    def close_all_servers() -> asyncio.Protocol:
        for server in servers:
            server.close()
        return asyncio.Protocol()

    for _ in range(2):
        start = loop.create_server(close_all_servers, "127.0.0.1", 0)
        servers.append(loop.run_until_complete(start))
    addresses = [server.sockets[0].getsockname() for server in servers]
    clients = [socket.create_connection(address) for address in addresses]
    loop.run_until_complete(asyncio.wait_for(loop.create_task(until_closed(servers)), DEADLINE))
    assert board.read(0)["accepted"] == 1
    assert was_woken(wakeup_fds[1])
    for client in clients:
        client.close()


async def until_closed(servers: list[asyncio.Server]) -> None:
    while servers[0].is_serving():
        await asyncio.sleep(0)
