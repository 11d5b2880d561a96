"""sock_recv, sock_sendall, sock_accept, sock_connect and their relatives."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from tests.support.sockets import (
    KERNEL_BUFFER_SIZE,
    LOOPBACK,
    drain,
    receive,
    reset,
    tcp_pair,
    unix_pair,
)
from tests.support.streams import connected
from tests.support.waiting import step, turns

# Far more than the kernel's buffers of a TCP pair hold.
OVERFULL = bytes(16 * KERNEL_BUFFER_SIZE)


@pytest.fixture
def pair():
    with tcp_pair() as sockets:
        yield sockets


@contextlib.contextmanager
def datagram_pair():
    """Give two non-blocking UDP sockets bound to the loopback interface."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as one,
        socket.socket(type=socket.SOCK_DGRAM) as other,
    ):
        for sock in (one, other):
            sock.setblocking(False)
            sock.bind((LOOPBACK, 0))
        yield one, other


async def test_sock_recv_returns_what_is_there_without_suspending(pair):
    ours, peer = pair
    peer.send(b"hello")
    loop = asyncio.get_running_loop()

    assert step(loop.sock_recv(ours, 100)) == b"hello"


async def test_sock_recv_waits_for_data(pair):
    ours, peer = pair
    task = asyncio.create_task(asyncio.get_running_loop().sock_recv(ours, 100))
    await turns(3)
    assert not task.done()

    peer.send(b"hello")

    assert await task == b"hello"


async def test_sock_recv_returns_no_more_than_asked_for(pair):
    ours, peer = pair
    peer.send(b"hello")
    loop = asyncio.get_running_loop()

    assert await loop.sock_recv(ours, 2) == b"he"
    assert await loop.sock_recv(ours, 100) == b"llo"


async def test_sock_recv_returns_nothing_at_the_end_of_stream(pair):
    ours, peer = pair
    task = asyncio.create_task(asyncio.get_running_loop().sock_recv(ours, 100))
    await turns(2)

    peer.shutdown(socket.SHUT_WR)

    assert await task == b""


async def test_sock_recv_raises_what_recv_raises(pair):
    ours, peer = pair
    task = asyncio.create_task(asyncio.get_running_loop().sock_recv(ours, 100))
    await turns(2)

    reset(peer)

    with pytest.raises(ConnectionResetError):
        await task


async def test_sock_recv_into_fills_the_buffer(pair):
    ours, peer = pair
    loop = asyncio.get_running_loop()
    buffer = bytearray(10)
    task = asyncio.create_task(loop.sock_recv_into(ours, memoryview(buffer)[2:]))
    await turns(2)

    peer.send(b"hello")

    assert await task == 5
    assert buffer == b"\0\0hello\0\0\0"


async def test_sock_sendall_returns_none_without_suspending_when_there_is_room(pair):
    ours, peer = pair

    assert step(asyncio.get_running_loop().sock_sendall(ours, b"hello")) is None
    assert await receive(peer, 5) == b"hello"


async def test_sock_sendall_sends_more_than_the_kernel_takes_at_once(pair):
    ours, peer = pair
    data = bytes(range(256)) * 40_000
    task = asyncio.create_task(asyncio.get_running_loop().sock_sendall(ours, data))

    received = await receive(peer, len(data))

    assert await task is None
    assert received == data


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_sock_sendall_takes_any_bytes_like_object(pair, kind):
    ours, peer = pair

    await asyncio.get_running_loop().sock_sendall(ours, kind(b"hello"))

    assert await receive(peer, 5) == b"hello"


async def test_sock_sendall_raises_what_send_raises(pair):
    ours, peer = pair
    task = asyncio.create_task(asyncio.get_running_loop().sock_sendall(ours, OVERFULL))
    await turns(2)

    reset(peer)

    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        await task


@pytest.mark.parametrize("method", ["sock_recv", "sock_recv_into", "sock_recvfrom"])
async def test_a_cancelled_receive_loses_no_data(pair, method):
    ours, peer = pair
    loop = asyncio.get_running_loop()
    argument = bytearray(100) if method == "sock_recv_into" else 100
    task = asyncio.create_task(getattr(loop, method)(ours, argument))
    await turns(2)

    peer.send(b"hello")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await loop.sock_recv(ours, 100) == b"hello"


async def test_a_cancelled_receive_leaves_nothing_watched(pair):
    ours, _ = pair
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(loop.sock_recv(ours, 100))
    await turns(2)

    task.cancel()
    await asyncio.wait([task])
    await turns(2)

    assert loop.remove_reader(ours) is False


async def test_a_cancelled_send_leaves_nothing_watched(pair):
    ours, _ = pair
    loop = asyncio.get_running_loop()
    task = asyncio.create_task(loop.sock_sendall(ours, OVERFULL))
    await turns(2)

    task.cancel()
    await asyncio.wait([task])
    await turns(2)

    assert loop.remove_writer(ours) is False


async def test_a_receive_can_be_given_a_time_limit(pair):
    ours, _ = pair

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.get_running_loop().sock_recv(ours, 100), 0.001)


async def test_receiving_and_sending_on_one_socket_go_on_together(pair):
    ours, peer = pair
    loop = asyncio.get_running_loop()
    receiving = asyncio.create_task(loop.sock_recv(ours, 100))
    sending = asyncio.create_task(loop.sock_sendall(ours, OVERFULL))
    await turns(2)

    peer.send(b"hello")
    assert await receiving == b"hello"
    assert not sending.done()
    await receive(peer, len(OVERFULL))
    await sending


async def test_sock_recvfrom_returns_data_and_sender():
    loop = asyncio.get_running_loop()
    with datagram_pair() as (ours, peer):
        task = asyncio.create_task(loop.sock_recvfrom(ours, 100))
        await turns(2)
        peer.sendto(b"hello", ours.getsockname())
        assert await task == (b"hello", peer.getsockname())


async def test_sock_recvfrom_into_fills_the_buffer_and_returns_the_sender():
    loop = asyncio.get_running_loop()
    buffer = bytearray(10)
    with datagram_pair() as (ours, peer):
        peer.sendto(b"hello", ours.getsockname())
        assert await loop.sock_recvfrom_into(ours, buffer) == (5, peer.getsockname())

    assert buffer[:5] == b"hello"


async def test_sock_recvfrom_into_takes_a_size():
    loop = asyncio.get_running_loop()
    buffer = bytearray(10)
    with datagram_pair() as (ours, peer):
        peer.sendto(b"hello", ours.getsockname())
        assert await loop.sock_recvfrom_into(ours, buffer, 2) == (2, peer.getsockname())

    assert buffer == b"he" + bytes(8)


async def test_sock_sendto_returns_the_number_of_bytes_sent():
    loop = asyncio.get_running_loop()
    with datagram_pair() as (ours, peer):
        assert await loop.sock_sendto(ours, b"hello", peer.getsockname()) == 5
        assert await receive(peer, 5) == b"hello"


async def test_unix_sockets_work_too():
    loop = asyncio.get_running_loop()
    with unix_pair() as (ours, peer):
        await loop.sock_sendall(ours, b"hello")
        assert drain(peer) == b"hello"
        peer.send(b"world")
        assert await loop.sock_recv(ours, 100) == b"world"


SOCK_METHODS = pytest.mark.parametrize(
    ("method", "arguments"),
    [
        pytest.param(method, arguments, id=method)
        for method, arguments in [
            ("sock_recv", [10]),
            ("sock_recv_into", [bytearray(10)]),
            ("sock_recvfrom", [10]),
            ("sock_recvfrom_into", [bytearray(10)]),
            ("sock_sendall", [b"x"]),
            ("sock_sendto", [b"x", (LOOPBACK, 1)]),
            ("sock_accept", []),
            ("sock_connect", [(LOOPBACK, 1)]),
        ]
    ],
)


@SOCK_METHODS
async def test_a_blocking_socket_is_refused_in_debug_mode(method, arguments):
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    with (
        socket.socket() as sock,
        pytest.raises(ValueError, match=r"^the socket must be non-blocking$"),
    ):
        await getattr(loop, method)(sock, *arguments)


@SOCK_METHODS
async def test_a_tls_socket_is_refused(method, arguments):
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context()
    with context.wrap_socket(socket.socket(), server_hostname="x") as sock:
        sock.setblocking(False)
        with pytest.raises(TypeError, match=r"^Socket cannot be of type SSLSocket$"):
            await getattr(loop, method)(sock, *arguments)


@pytest.mark.parametrize(
    ("method", "argument"), [("sock_recv", 10), ("sock_sendall", OVERFULL)], ids=["recv", "sendall"]
)
async def test_waiting_for_the_socket_of_a_transport_is_refused(method, argument):
    loop = asyncio.get_running_loop()
    async with connected() as (transport, _, _):
        sock = transport.get_extra_info("socket")._sock
        with pytest.raises(RuntimeError, match=r"^File descriptor \d+ is used by transport "):
            await getattr(loop, method)(sock, argument)


async def test_a_second_receive_takes_the_place_of_the_first(pair):
    loop = asyncio.get_running_loop()
    ours, peer = pair
    first = asyncio.create_task(loop.sock_recv(ours, 100))
    await turns(2)
    second = asyncio.create_task(loop.sock_recv(ours, 100))
    await turns(2)

    first.cancel()
    await asyncio.wait([first])
    peer.send(b"x")

    assert await second == b"x"
    assert first.cancelled()
