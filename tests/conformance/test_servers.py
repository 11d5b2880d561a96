"""create_server and the Server it returns."""

import asyncio
import contextlib
import errno
import socket
import sys

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.sockets import LOOPBACK, receive, receive_until_eof, tcp_listener
from tests.support.streams import address_of, serving
from tests.support.waiting import turns, wait_until


@contextlib.contextmanager
def client_of(server):
    """Give a non-blocking socket connected to the server."""
    with socket.create_connection(address_of(server)) as client:
        client.setblocking(False)
        yield client


class Protocols(list):
    """A protocol factory that keeps what it made."""

    def __init__(self, protocol_class=EchoProtocol):
        self.protocol_class = protocol_class

    def __call__(self):
        self.append(self.protocol_class())
        return self[-1]


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
    async with serving(EchoProtocol) as server:
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


async def test_a_factory_that_raises_ends_the_connection_and_not_the_server():
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


async def test_a_factory_that_raises_is_reported_in_debug_mode(reports):
    loop = asyncio.get_running_loop()
    if is_stdlib(loop):
        pytest.skip("asyncio leaves the socket to the collector, which warns")
    loop.set_debug(True)

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


async def test_create_server_listens_on_a_given_socket():
    loop = asyncio.get_running_loop()
    protocols = Protocols()
    with tcp_listener() as sock:
        async with await loop.create_server(protocols, sock=sock) as server:
            with client_of(server) as client:
                client.send(b"hello")
                assert await receive(client, 5) == b"hello"
            await protocols[0].closed
        assert sock.fileno() == -1


async def test_a_listening_socket_may_be_closed_by_its_owner_too():
    loop = asyncio.get_running_loop()
    with tcp_listener() as sock:
        server = await loop.create_server(EchoProtocol, sock=sock)
        server.close()
        sock.close()
        await server.wait_closed()


async def test_create_server_listens_on_every_host_once():
    loop = asyncio.get_running_loop()
    hosts = [LOOPBACK, "127.0.0.2", LOOPBACK]
    async with await loop.create_server(EchoProtocol, hosts, 0) as server:
        listening = sorted(sock.getsockname()[0] for sock in server.sockets)

    assert listening == [LOOPBACK, "127.0.0.2"]


@pytest.mark.parametrize("host", [None, ""], ids=repr)
async def test_create_server_without_a_host_listens_on_all_interfaces(host):
    loop = asyncio.get_running_loop()
    async with await loop.create_server(EchoProtocol, host, 0) as server:
        addresses = {sock.getsockname()[0] for sock in server.sockets}

    assert "0.0.0.0" in addresses
    assert addresses <= {"0.0.0.0", "::"}


async def test_an_address_in_use_is_named():
    loop = asyncio.get_running_loop()
    with tcp_listener() as taken:
        address = taken.getsockname()
        with pytest.raises(OSError, match="error while attempting to bind on address") as raised:
            await loop.create_server(EchoProtocol, *address)

    assert raised.value.errno == errno.EADDRINUSE
    assert str(address) in str(raised.value)


async def test_two_servers_can_share_a_port_with_reuse_port():
    loop = asyncio.get_running_loop()
    async with (
        await loop.create_server(EchoProtocol, LOOPBACK, 0, reuse_port=True) as one,
        await loop.create_server(EchoProtocol, *address_of(one), reuse_port=True) as other,
    ):
        assert address_of(one) == address_of(other)


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ([], {}, ValueError, "Neither host/port nor sock were specified"),
        ([LOOPBACK, 0], {"sock": True}, ValueError, "can not be specified at the same time"),
        ([LOOPBACK, 0], {"ssl": True}, TypeError, "ssl argument must be an SSLContext or None"),
        (
            [LOOPBACK, 0],
            {"ssl_handshake_timeout": 1},
            ValueError,
            "ssl_handshake_timeout is only meaningful with ssl",
        ),
        (
            [LOOPBACK, 0],
            {"ssl_shutdown_timeout": 1},
            ValueError,
            "ssl_shutdown_timeout is only meaningful with ssl",
        ),
    ],
    ids=["nothing", "host and sock", "ssl=True", "handshake time-out", "shutdown time-out"],
)
async def test_create_server_refuses(arguments, options, error, message):
    with pytest.raises(error, match=message):
        await asyncio.get_running_loop().create_server(EchoProtocol, *arguments, **options)


async def test_create_server_refuses_a_datagram_socket():
    with (
        socket.socket(type=socket.SOCK_DGRAM) as sock,
        pytest.raises(ValueError, match="A Stream Socket was expected"),
    ):
        await asyncio.get_running_loop().create_server(EchoProtocol, sock=sock)


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


async def test_connections_inherit_the_options_of_their_listening_socket():
    options = {
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 30,
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 7,
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
        (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 9000,
    }
    protocols = Protocols()
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener:
        for option, value in options.items():
            listener.setsockopt(*option, value)
        async with await loop.create_server(protocols, sock=listener) as server:
            with client_of(server):
                await wait_until(lambda: protocols and protocols[0].transport)
                sock = protocols[0].transport.get_extra_info("socket")
                assert {option: sock.getsockopt(*option) for option in options} == options
            await protocols[0].closed


def test_a_loop_closed_with_a_server_open_does_not_crash(loop_factory):
    loop = loop_factory()
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, LOOPBACK, 0))
    sockets = server._sockets
    loop.close()
    for sock in sockets:
        sock.close()
