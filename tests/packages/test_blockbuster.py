"""blockbuster, which detects blocking calls on a running loop, finds none in the loop itself."""

import asyncio
import contextlib
import signal
import socket
import tempfile
from pathlib import Path

import pytest

from tests.packages.peers import need
from tests.support.sockets import LOOPBACK, tcp_pair
from tests.support.tls import client_context, server_context

blockbuster = need("blockbuster")


@pytest.fixture
def detector():
    """Give a detector that is not active yet: each test activates it around what it examines."""
    return blockbuster.BlockBuster()


@contextlib.contextmanager
def active(detector):
    """Raise BlockingError for every blocking call inside the block."""
    detector.activate()
    try:
        yield
    finally:
        detector.deactivate()


async def upper(reader, writer):
    """Answer one line in capitals."""
    with contextlib.suppress(ConnectionError):
        writer.write((await reader.readline()).upper())
        await writer.drain()
    writer.close()


async def ask(reader, writer):
    """Send one line, return the answer, and close."""
    writer.write(b"hello\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_the_detector_detects(detector):
    with active(detector), pytest.raises(blockbuster.BlockingError):
        Path("/").stat()


async def test_unix_servers_and_clients(detector):
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/socket"
        with active(detector):
            server = await asyncio.start_unix_server(upper, path)
            answer = await ask(*await asyncio.open_unix_connection(path))
            server.close()
            await server.wait_closed()
        assert answer == b"HELLO\n"


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_tcp_servers_and_clients(detector, secure):
    server_tls = server_context() if secure else None
    client_tls = client_context() if secure else None
    with active(detector):
        server = await asyncio.start_server(upper, LOOPBACK, 0, ssl=server_tls)
        address = server.sockets[0].getsockname()
        name = "localhost" if secure else None
        connection = await asyncio.open_connection(*address, ssl=client_tls, server_hostname=name)
        answer = await ask(*connection)
        server.close()
        await server.wait_closed()
    assert answer == b"HELLO\n"


async def test_names_and_executors(detector):
    loop = asyncio.get_running_loop()
    with active(detector):
        assert await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)
        assert await loop.getnameinfo((LOOPBACK, 80))
        assert await loop.run_in_executor(None, len, "four") == 4
        assert await asyncio.to_thread(len, "four") == 4


async def test_socket_methods_and_sendfile(detector):
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryFile() as file, tcp_pair() as (ours, peer):
        file.write(b"content")
        file.flush()
        with active(detector):
            await loop.sock_sendall(ours, b"before ")
            assert await loop.sock_recv(peer, 100) == b"before "
            assert await loop.sock_sendfile(ours, file) == 7
            assert await loop.sock_recv(peer, 100) == b"content"
            transport, _ = await loop.create_connection(asyncio.Protocol, sock=ours)
            assert await loop.sendfile(transport, file) == 7
            assert await loop.sock_recv(peer, 100) == b"content"
            transport.close()
            assert await loop.sock_recv(peer, 100) == b""


async def test_datagrams(detector):
    received = asyncio.get_running_loop().create_future()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data, addr):
            received.set_result(data)

    with active(detector):
        loop = asyncio.get_running_loop()
        server, _ = await loop.create_datagram_endpoint(Receiver, local_addr=(LOOPBACK, 0))
        client, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=server.get_extra_info("sockname")
        )
        client.sendto(b"datagram")
        assert await received == b"datagram"
        client.close()
        server.close()
        await asyncio.sleep(0)


async def test_processes_and_pipes(detector):
    with active(detector):
        process = await asyncio.create_subprocess_exec(
            "cat", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        assert await process.communicate(b"through the pipe") == (b"through the pipe", None)
        shell = await asyncio.create_subprocess_shell("exit 3")
        assert await shell.wait() == 3


async def test_signals_and_threads(detector):
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    with active(detector):
        loop.add_signal_handler(signal.SIGUSR1, arrived.set)
        signal.raise_signal(signal.SIGUSR1)
        await arrived.wait()
        loop.remove_signal_handler(signal.SIGUSR1)
        await loop.shutdown_default_executor()
        await loop.shutdown_asyncgens()
