"""create_server and the Server it returns."""

import asyncio
import contextlib
import socket
import sys

import pytest

from tests.support.addresses import free_address
from tests.support.loops import is_stdlib
from tests.support.protocols import EchoProtocol, Protocols, RecordingProtocol
from tests.support.sockets import LOOPBACK, receive, receive_until_eof
from tests.support.streams import address_of, client_of, serving
from tests.support.waiting import turns, wait_until


async def test_a_server_makes_a_protocol_for_every_connection():
    protocols = Protocols()
    async with serving(protocols) as server:
        with client_of(server) as one, client_of(server) as other:
            one.send(b"one")
            other.send(b"other")
            assert await receive(one, 3) == b"one"
            assert await receive(other, 5) == b"other"
        for protocol in protocols:
            await protocol.closed

    assert len(protocols) == 2


async def test_a_server_is_an_asyncio_server_of_its_loop():
    async with serving(EchoProtocol) as server:
        assert isinstance(server, asyncio.AbstractServer)
        assert isinstance(server, asyncio.base_events.Server)
        assert server.get_loop() is asyncio.get_running_loop()


async def test_sockets_is_a_tuple_of_transport_sockets_and_empty_after_close():
    async with serving(EchoProtocol) as server:
        assert type(server.sockets) is tuple
        assert isinstance(server.sockets[0], asyncio.trsock.TransportSocket)
        assert server.sockets[0].getsockname()[0] == LOOPBACK
        server.close()
        assert server.sockets == ()


async def test_a_server_closed_twice_is_closed():
    async with serving(EchoProtocol) as server:
        assert server.is_serving()
        server.close()
        server.close()
        assert not server.is_serving()


async def test_nobody_can_connect_after_close():
    async with serving(EchoProtocol, free_address()) as server:
        address = address_of(server)
        server.close()
        await turns(2)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)


async def test_close_leaves_existing_connections_open():
    protocols = Protocols()
    async with serving(protocols) as server:
        with client_of(server) as client:
            await wait_until(lambda: protocols)
            server.close()
            client.send(b"hello")
            assert await receive(client, 5) == b"hello"
        await protocols[0].closed


async def test_async_with_closes_the_server():
    loop = asyncio.get_running_loop()
    async with await loop.create_server(EchoProtocol, LOOPBACK, 0) as server:
        assert server.is_serving()

    assert not server.is_serving()


async def test_a_server_does_not_listen_before_start_serving():
    async with serving(EchoProtocol, start_serving=False) as server:
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address_of(server))

        await server.start_serving()
        await server.start_serving()
        assert server.is_serving()
        with client_of(server) as client:
            client.send(b"hello")
            assert await receive(client, 5) == b"hello"
        await turns(3)


async def test_serve_forever_starts_serving_and_is_ended_by_close():
    async with serving(EchoProtocol, start_serving=False) as server:
        task = asyncio.create_task(server.serve_forever())
        await wait_until(server.is_serving)
        server.close()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_serve_forever_that_is_cancelled_closes_the_server():
    async with serving(EchoProtocol) as server:
        task = asyncio.create_task(server.serve_forever())
        await turns(2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not server.is_serving()
        assert server.sockets == ()


async def test_serve_forever_cannot_be_awaited_twice_at_once():
    async with serving(EchoProtocol) as server:
        task = asyncio.create_task(server.serve_forever())
        await turns(2)
        with pytest.raises(RuntimeError, match="is already being awaited on serve_forever"):
            await server.serve_forever()
        task.cancel()
        await asyncio.wait([task])


async def test_serve_forever_of_a_closed_server_is_refused():
    async with serving(EchoProtocol) as server:
        server.close()
        with pytest.raises(RuntimeError, match=r"is closed$"):
            await server.serve_forever()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 does not wait for connections")
async def test_wait_closed_waits_for_close_and_for_the_last_connection():
    protocols = Protocols()
    async with serving(protocols) as server:
        waiting = asyncio.create_task(server.wait_closed())
        with client_of(server):
            await wait_until(lambda: protocols)
            server.close()
            await turns(5)
            assert not waiting.done()
        await waiting
        assert protocols[0].closed.done()


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 does not wait for connections")
async def test_wait_closed_waits_for_close_when_there_is_no_connection():
    async with serving(EchoProtocol) as server:
        waiting = asyncio.create_task(server.wait_closed())
        await turns(5)
        assert not waiting.done()
        server.close()
        await waiting


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
async def test_close_clients_closes_the_connections_after_what_was_written():
    protocols = Protocols()
    async with serving(protocols) as server:
        with client_of(server) as client:
            await wait_until(lambda: protocols and protocols[0].transport)
            protocols[0].transport.write(bytes(5_000_000))
            server.close()
            server.close_clients()
            assert len(await receive_until_eof(client)) == 5_000_000
        await server.wait_closed()

    assert protocols[0].lost_with is None


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
async def test_abort_clients_drops_what_was_not_sent():
    protocols = Protocols()
    async with serving(protocols) as server:
        with client_of(server) as client:
            await wait_until(lambda: protocols and protocols[0].transport)
            protocols[0].transport.write(bytes(50_000_000))
            server.close()
            server.abort_clients()
            await server.wait_closed()
            assert len(await receive_until_eof(client)) < 50_000_000


async def test_a_factory_that_raises_ends_the_connection_and_not_the_server(reports):
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio leaves the socket to the collector, which warns")
    protocols = Protocols()
    failures = [ZeroDivisionError()]

    def factory():
        if failures:
            raise failures.pop()
        return protocols()

    async with serving(factory) as server:
        with client_of(server) as client:
            assert await receive_until_eof(client) == b""
        with client_of(server) as client:
            client.send(b"hello")
            assert await receive(client, 5) == b"hello"
        await protocols[0].closed
    assert isinstance(reports.pop()["exception"], ZeroDivisionError)


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
async def test_a_factory_that_raises_is_reported(debug, reports):
    loop = asyncio.get_running_loop()
    if is_stdlib(loop):
        pytest.skip("asyncio leaves the socket to the collector, which warns")
    loop.set_debug(debug)

    def factory():
        raise ZeroDivisionError

    async with serving(factory) as server:
        with client_of(server) as client:
            assert await receive_until_eof(client) == b""
        report = reports.pop()

    assert report["message"] == "Error on transport creation for incoming connection"
    assert isinstance(report["exception"], ZeroDivisionError)


async def test_both_ends_know_each_others_addresses():
    protocols = Protocols()
    async with serving(protocols) as server:
        with client_of(server) as client:
            await wait_until(lambda: protocols and protocols[0].transport)
            transport = protocols[0].transport
            assert transport.get_extra_info("sockname") == client.getpeername()
            assert transport.get_extra_info("peername") == client.getsockname()
            sock = transport.get_extra_info("socket")
            assert isinstance(sock, asyncio.trsock.TransportSocket)
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0
            assert isinstance(transport, asyncio.Transport)
        await protocols[0].closed
        assert transport.get_extra_info("peername") is not None


async def test_connections_that_wait_in_the_backlog_are_all_accepted():
    protocols = Protocols()
    async with serving(protocols, backlog=200) as server:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(client_of(server)) for _ in range(150)]
            for client in clients:
                client.send(b"x")
            for client in clients:
                assert await receive(client, 1) == b"x"
        for protocol in protocols:
            await protocol.closed

    assert len(protocols) == 150


async def test_a_client_that_is_gone_before_it_is_accepted_does_no_harm():
    protocols = Protocols()
    async with serving(protocols) as server:
        for _ in range(5):
            with client_of(server) as client:
                client.send(b"x")
        await wait_until(lambda: len(protocols) == 5)
        for protocol in protocols:
            await protocol.closed


async def test_closing_in_connection_made_of_an_accepted_connection_is_fine():
    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.close()

    protocols = Protocols(Protocol)
    async with serving(protocols) as server:
        with client_of(server) as client:
            assert await receive_until_eof(client) == b""
        await protocols[0].closed

    assert protocols[0].calls == ["connection_made", "connection_lost"]


async def test_closing_the_server_in_connection_made_is_fine():
    class Protocol(EchoProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            server.close()

    protocols = Protocols(Protocol)
    async with serving(protocols) as server:
        with client_of(server) as client:
            client.send(b"hello")
            assert await receive(client, 5) == b"hello"
        await protocols[0].closed


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
async def test_keep_alive_is_set_on_accepted_connections():
    protocols = Protocols()
    async with serving(protocols, keep_alive=True) as server:
        with client_of(server):
            await wait_until(lambda: protocols and protocols[0].transport)
            sock = protocols[0].transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
        await protocols[0].closed


def test_a_loop_closed_with_a_server_open_does_not_crash(loop_factory):
    loop = loop_factory()
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, LOOPBACK, 0))
    sockets = server._sockets
    loop.close()
    for sock in sockets:
        sock.close()
