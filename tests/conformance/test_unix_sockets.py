"""create_unix_server and create_unix_connection."""

import asyncio
import errno
import os
import socket
import sys
from pathlib import Path

import pytest

from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.sockets import unix_pair
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until


@pytest.fixture
def path(tmp_path):
    """Give the path of a socket that is not there yet."""
    return tmp_path / "socket"


async def exchange(address):
    """Connect to a server that echoes, and see that it does."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_unix_connection(RecordingProtocol, address)
    transport.write(b"hello")
    await wait_until(lambda: protocol.received == b"hello")
    transport.close()
    await protocol.closed
    await turns(3)


@pytest.mark.parametrize("kind", [str, os.fsencode, Path], ids=["str", "bytes", "Path"])
async def test_data_goes_there_and_back(path, kind):
    loop = asyncio.get_running_loop()
    async with await loop.create_unix_server(EchoProtocol, kind(path)) as server:
        assert server.sockets[0].getsockname() == str(path)
        await exchange(kind(path))


@pytest.mark.parametrize("name", ["\0ngxloop-test-{}", b"\0ngxloop-test-{}"], ids=["str", "bytes"])
async def test_abstract_names_work_at_both_ends(name):
    pid = str(os.getpid())
    address = (
        name.replace("{}", pid) if isinstance(name, str) else name.replace(b"{}", pid.encode())
    )
    loop = asyncio.get_running_loop()
    async with await loop.create_unix_server(EchoProtocol, address):
        await exchange(address)


async def test_a_socket_file_nobody_listens_on_is_replaced(path):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))

    async with await asyncio.get_running_loop().create_unix_server(EchoProtocol, str(path)):
        await exchange(str(path))


async def test_a_file_that_is_no_socket_is_left_alone(path):
    path.write_text("precious")

    with pytest.raises(OSError, match="already in use") as raised:
        await asyncio.get_running_loop().create_unix_server(EchoProtocol, str(path))

    assert raised.value.errno == errno.EADDRINUSE
    assert path.read_text() == "precious"


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
async def test_close_removes_the_socket_file(path):
    loop = asyncio.get_running_loop()
    async with await loop.create_unix_server(EchoProtocol, str(path)):
        assert path.exists()

    assert not path.exists()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
async def test_close_leaves_the_socket_file_if_told_to(path):
    loop = asyncio.get_running_loop()
    async with await loop.create_unix_server(EchoProtocol, str(path), cleanup_socket=False):
        pass

    assert path.exists()


@pytest.mark.skipif(sys.version_info < (3, 13), reason="new in Python 3.13")
async def test_close_leaves_the_socket_file_of_somebody_else(path):
    loop = asyncio.get_running_loop()
    async with await loop.create_unix_server(EchoProtocol, str(path)):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))

    assert path.exists()


async def test_a_server_on_a_given_socket_leaves_its_file(path):
    loop = asyncio.get_running_loop()
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(str(path))
    async with await loop.create_server(EchoProtocol, sock=sock):
        await exchange(str(path))

    assert path.exists()


async def test_connecting_where_nobody_listens_is_refused(path):
    loop = asyncio.get_running_loop()
    with pytest.raises(FileNotFoundError):
        await loop.create_unix_connection(RecordingProtocol, str(path))
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    with pytest.raises(ConnectionRefusedError):
        await loop.create_unix_connection(RecordingProtocol, str(path))


async def test_create_unix_connection_takes_over_a_connected_socket():
    loop = asyncio.get_running_loop()
    with unix_pair() as (ours, peer):
        transport, protocol = await loop.create_unix_connection(RecordingProtocol, sock=ours)
        peer.send(b"hello")
        await wait_until(lambda: protocol.received == b"hello")
        transport.close()
        await protocol.closed


async def test_a_transport_on_a_unix_socket_knows_its_names(path):
    loop = asyncio.get_running_loop()
    protocols = []

    def factory():
        protocols.append(RecordingProtocol())
        return protocols[-1]

    async with await loop.create_unix_server(factory, str(path)):
        transport, protocol = await loop.create_unix_connection(RecordingProtocol, str(path))
        await wait_until(lambda: protocols and protocols[0].transport)
        assert transport.get_extra_info("peername") == str(path)
        assert transport.get_extra_info("sockname") == ""
        assert protocols[0].transport.get_extra_info("sockname") == str(path)
        assert protocols[0].transport.get_extra_info("peername") == ""
        assert transport.get_extra_info("socket").family == socket.AF_UNIX
        transport.close()
        await protocol.closed
        await protocols[0].closed


async def test_much_data_crosses_a_socket_pair_whole():
    data = bytes(range(256)) * 8_000
    loop = asyncio.get_running_loop()
    async with connected(EchoProtocol, unix_pair) as (_, _, peer):
        sending = asyncio.create_task(loop.sock_sendall(peer, data))
        received = bytearray()
        while len(received) < len(data):
            received += await loop.sock_recv(peer, 65_536)
        await sending

    assert received == data


async def test_streams_work_over_unix_sockets(path):
    async def echo(reader, writer):
        writer.write(await reader.readline())
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_unix_server(echo, str(path)):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        writer.close()
        await writer.wait_closed()
        await turns(3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "no path and sock were specified"),
        ({"path": "x", "sock": True}, "path and sock can not be specified at the same time"),
        ({"path": "x", "server_hostname": "x"}, "server_hostname is only meaningful with ssl"),
    ],
    ids=["nothing", "path and sock", "server_hostname"],
)
async def test_create_unix_connection_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        await asyncio.get_running_loop().create_unix_connection(RecordingProtocol, **options)


async def test_a_tcp_socket_is_refused():
    loop = asyncio.get_running_loop()
    with socket.socket() as sock, pytest.raises(ValueError, match="A UNIX Domain Stream Socket"):
        await loop.create_unix_connection(RecordingProtocol, sock=sock)
    with socket.socket() as sock, pytest.raises(ValueError, match="A UNIX Domain Stream Socket"):
        await loop.create_unix_server(RecordingProtocol, sock=sock)
