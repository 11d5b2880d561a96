"""Listener: accepting, addresses, factories and sockets that misbehave."""

import asyncio
import contextlib
import gc
import os
import socket

import pytest

from tests.core.conftest import make_loop
from tests.probes.reactor import ReactorProbe
from tests.support.leaks import open_fds
from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.sockets import LOOPBACK, has_ipv6, receive, reset
from tests.support.streams import address_of, serving
from tests.support.waiting import turns, wait_until
from tests.transports.accepting import Factory, close_all, connect_all

# ---- accepting


async def test_protocol_is_made_and_connected_in_the_turn_of_the_accept():
    loop = asyncio.get_running_loop()
    seen = []

    class Noting(RecordingProtocol):
        def __init__(self):
            super().__init__()
            seen.append(loop.turn_count)

        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(loop.turn_count)

    factory = Factory(Noting)
    async with serving(factory) as server:
        with socket.create_connection(address_of(server)):
            await wait_until(lambda: len(seen) == 2)
            await close_all(factory)

    assert seen[0] == seen[1]


async def test_one_event_takes_at_most_128_connections():
    loop = asyncio.get_running_loop()
    probe = ReactorProbe(loop)
    factory = Factory()
    async with serving(factory, backlog=400) as server:
        with contextlib.ExitStack() as stack:
            connect_all(stack, address_of(server), 300)
            counts = []
            for _ in range(4):
                await turns(1)
                counts.append(len(factory.made))
            assert probe.accepted_count == 300
            await close_all(factory)

    assert sorted({0, *counts}) == [0, 128, 256, 300]
    assert probe.accepted_count == 0
    assert probe.used_count == 0


async def test_accepted_connections_are_counted_until_lost():
    probe = ReactorProbe(asyncio.get_running_loop())
    factory = Factory()
    async with serving(factory) as server:
        with contextlib.ExitStack() as stack:
            clients = connect_all(stack, address_of(server), 5)
            await wait_until(lambda: len(factory.made) == 5)
            clients[0].close()
            reset(clients[1])
            factory.made[2].transport.close()
            factory.made[3].transport.abort()
            await asyncio.gather(*(protocol.closed for protocol in factory.made[:4]))
            assert probe.accepted_count == 1
            await close_all(factory)
        assert probe.accepted_count == 0


def test_loop_closed_with_connections_waiting_to_be_accepted(recwarn):
    before = open_fds()
    loop = make_loop()
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, LOOPBACK, 0))
    with contextlib.ExitStack() as stack:
        connect_all(stack, address_of(server), 5)
        loop.close()
        server.close()
    del loop, server
    gc.collect()

    assert open_fds() == before


# ---- addresses and options


def unix_socket(path: str) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(path)
    sock.listen()
    return sock


def inet_socket(family: int, host: str) -> socket.socket:
    sock = socket.socket(family)
    sock.bind((host, 0))
    sock.listen()
    return sock


LISTENERS = {
    "ipv4": lambda folder: inet_socket(socket.AF_INET, "127.0.0.1"),
    "ipv4_wildcard": lambda folder: inet_socket(socket.AF_INET, ""),
    "ipv6": lambda folder: inet_socket(socket.AF_INET6, "::1"),
    "ipv6_wildcard": lambda folder: inet_socket(socket.AF_INET6, "::"),
    "unix": lambda folder: unix_socket(f"{folder}/socket"),
    "unix_longest_path": lambda folder: unix_socket("x" * 107),  # in the test's folder
    "unix_abstract": lambda folder: unix_socket(f"\0ngxloop-{os.getpid()}"),
}


def client_of(listening: socket.socket, bind_to: str | None) -> socket.socket:
    client = socket.socket(listening.family)
    if bind_to is not None:
        client.bind(bind_to)
    address = listening.getsockname()
    if address[:1] and address[0] in ("0.0.0.0", "::"):
        address = ("127.0.0.1" if address[0] == "0.0.0.0" else "::1", *address[1:])
    client.connect(address)
    return client


@pytest.mark.parametrize("kind", LISTENERS)
@pytest.mark.parametrize("client_is_named", [False, True], ids=["client_unnamed", "client_named"])
@pytest.mark.parametrize("when", ["asked_before_close", "asked_after_close"])
async def test_addresses_are_those_of_the_socket_module(
    tmp_path, monkeypatch, kind, client_is_named, when
):
    monkeypatch.chdir(tmp_path)
    if kind.startswith("ipv6") and not has_ipv6():
        pytest.skip("the loopback interface has no IPv6 address")
    bind_to = f"{tmp_path}/client" if client_is_named and kind.startswith("unix") else None
    loop = asyncio.get_running_loop()
    factory = Factory()
    with LISTENERS[kind](tmp_path) as listening:
        listening.setblocking(False)
        server = await loop.create_server(factory, sock=listening)
        with client_of(listening, bind_to) as client:
            expected = (client.getpeername(), client.getsockname())
            await wait_until(lambda: factory.made and factory.made[0].transport)
            transport = factory.made[0].transport
            if when == "asked_after_close":
                transport.abort()
                await factory.made[0].closed
            names = (transport.get_extra_info("sockname"), transport.get_extra_info("peername"))
            transport.abort()
            await turns(2)
        server.close()
        await server.wait_closed()

    assert names == expected


@pytest.mark.parametrize("asks_for_socket", [True, False], ids=["socket_made", "socket_not_made"])
async def test_nagles_algorithm_is_off_at_both_ends(asks_for_socket):
    factory = Factory()
    async with serving(factory) as server:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.create_connection(RecordingProtocol, *address_of(server))
        await wait_until(lambda: factory.made and factory.made[0].transport)
        accepted = factory.made[0].transport
        if asks_for_socket:
            accepted.get_extra_info("socket")

        for each in (transport, accepted):
            with socket.socket(fileno=os.dup(each._sock_fd)) as sock:
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
                assert not os.get_blocking(each._sock_fd)
                assert not os.get_inheritable(each._sock_fd)

        transport.abort()
        await protocol.closed
        await close_all(factory)


# ---- factories


class FactoryError(Exception):
    pass


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
async def test_factory_that_raises_costs_its_connection_only(reports, debug):
    loop = asyncio.get_running_loop()
    loop.set_debug(debug)
    probe = ReactorProbe(loop)
    good = Factory()

    def factory():
        if len(good.made) == 2:
            raise FactoryError("as intended")
        return good()

    async with serving(factory) as server:
        with contextlib.ExitStack() as stack:
            *_, refused = connect_all(stack, address_of(server), 3)
            await wait_until(lambda: is_closed(refused))
            assert (len(good.made), probe.accepted_count) == (2, 2)
            await close_all(good)

    assert [type(report["exception"]) for report in reports] == [FactoryError]
    assert probe.used_count == 0
    reports.clear()


def is_closed(sock: socket.socket) -> bool:
    """Tell whether the peer has closed the connection."""
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt])
def test_factory_that_exits_ends_the_run_and_its_connection(loop, probe, exception):
    def factory():
        raise exception

    server = loop.run_until_complete(loop.create_server(factory, LOOPBACK, 0))
    with contextlib.ExitStack() as stack:
        clients = connect_all(stack, address_of(server), 2)

        for _ in clients:
            with pytest.raises(exception):
                loop.run_forever()

        assert all(is_closed(client) for client in clients)
        assert probe.accepted_count == 0
    server.close()
    loop.run_until_complete(server.wait_closed())


async def test_factory_that_closes_its_server_loses_its_connection_and_no_slot(reports):
    loop = asyncio.get_running_loop()
    probe = ReactorProbe(loop)
    before = open_fds()

    def factory():
        server.close()
        return asyncio.Protocol()

    server = await loop.create_server(factory, LOOPBACK, 0)
    with contextlib.ExitStack() as stack:
        (client,) = connect_all(stack, address_of(server), 1)
        await wait_until(lambda: is_closed(client))

    await turns(2)
    assert (probe.used_count, probe.accepted_count) == (0, 0)
    assert set(open_fds()) == set(before)
    reports.clear()  # asyncio's Server asserts that it is open; told in debug mode only


async def test_connection_made_that_closes_its_server_keeps_its_connection():
    class Closing(EchoProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            server.close()

    factory = Factory(Closing)
    server = await asyncio.get_running_loop().create_server(factory, LOOPBACK, 0)
    with contextlib.ExitStack() as stack:
        (client,) = connect_all(stack, address_of(server), 1)
        client.send(b"hello")

        assert await receive(client, 5) == b"hello"

    await factory.made[0].closed
    await server.wait_closed()


# ---- sockets that others close


async def test_listening_socket_closed_by_its_owner_does_no_harm():
    loop = asyncio.get_running_loop()
    probe = ReactorProbe(loop)
    with socket.create_server((LOOPBACK, 0)) as listening:
        listening.setblocking(False)
        server = await loop.create_server(RecordingProtocol, sock=listening)
        listening.close()
        await turns(2)

        before = loop.turn_count
        await asyncio.sleep(0.01)
        assert loop.turn_count - before < 5  # it sleeps

        server.close()
        await server.wait_closed()
    assert probe.used_count == 0


async def test_listening_socket_shut_down_by_its_owner_is_reported_once(reports):
    loop = asyncio.get_running_loop()
    with socket.create_server((LOOPBACK, 0)) as listening:
        listening.setblocking(False)
        server = await loop.create_server(RecordingProtocol, sock=listening)
        listening.shutdown(socket.SHUT_RDWR)
        await wait_until(lambda: reports)
        await turns(5)
        server.close()
        await server.wait_closed()

    (report,) = reports
    assert report["message"] == "accept4() failed; the listener is closed"
    assert "Invalid argument" in str(report["exception"])
    reports.clear()
