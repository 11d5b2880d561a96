"""create_server: the sockets that it listens on, given or made, and what it refuses."""

import asyncio
import errno
import socket

import pytest

from tests.support.protocols import EchoProtocol, Protocols
from tests.support.sockets import LOOPBACK, receive, tcp_listener
from tests.support.streams import address_of, client_of
from tests.support.waiting import wait_until


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
