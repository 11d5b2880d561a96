"""When answers leave: those of requests that came together with one send, others at once."""

import asyncio
import contextlib
import socket
import struct
import sys

import pytest

from tests.http.serving import GET, body, hello, plain_socket, read_body, serving, start
from tests.http.test_surroundings import turn_until_done
from tests.support.waiting import wait_until

# From tcpi_data_segs_in of struct tcp_info, <linux/tcp.h>.
DATA_SEGMENTS_OFFSET = 152

pytestmark = pytest.mark.skipif(sys.version_info < (3, 12), reason="a task does not begin at once")


def segments_received(sock):
    """Return in how many segments the data came: on the loopback interface one for each send."""
    info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, DATA_SEGMENTS_OFFSET + 4)
    return struct.unpack_from("I", info, DATA_SEGMENTS_OFFSET)[0]


def received(sock):
    """Return what is here."""
    with contextlib.suppress(BlockingIOError):
        return sock.recv(1 << 20)
    return b""


async def answers(sock, count):
    """Wait for so many answers of five bytes."""
    data = b""
    while data.count(b"hello") < count:
        data += await asyncio.get_running_loop().sock_recv(sock, 1 << 20)
    return data


async def test_answers_to_requests_that_came_together_leave_with_one_send():
    async with serving(hello) as served:
        with plain_socket(served) as sock:
            sock.send(GET * 12)
            await answers(sock, 12)
            assert segments_received(sock) == 1
            sock.send(GET)
            await answers(sock, 1)
            assert segments_received(sock) == 2


async def test_a_batch_ends_after_some_requests():
    async with serving(hello) as served:
        with plain_socket(served) as sock:
            sock.send(GET * 40)
            await answers(sock, 40)
            assert segments_received(sock) == 3


async def test_an_answer_does_not_wait_for_a_request_behind_it_that_is_suspended():
    go_on = asyncio.Event()

    async def application(scope, receive, send):
        if scope["path"] == "/later":
            await go_on.wait()
        await hello(scope, receive, send)

    async with serving(application) as served:
        with plain_socket(served) as sock:
            sock.send(GET + GET.replace(b"/ ", b"/later "))
            await answers(sock, 1)
            go_on.set()
            await answers(sock, 1)


async def test_an_answer_leaves_before_an_inner_turn_waits():
    loop = asyncio.get_running_loop()
    one_is_here = asyncio.Event()

    async def application(scope, receive, send):
        if scope["path"] == "/turns":
            turn_until_done(loop, loop.create_task(one_is_here.wait()))
        await hello(scope, receive, send)

    async with serving(application) as served:
        with plain_socket(served) as sock:
            sock.send(GET + GET.replace(b"/ ", b"/turns "))
            await answers(sock, 1)
            one_is_here.set()
            await answers(sock, 1)


async def test_a_piece_of_a_body_leaves_at_once():
    early = []

    async def application(scope, receive, send):
        if scope["path"] != "/pieces":
            await hello(scope, receive, send)
            return
        await send(start())
        await send(body(b"piece", True))
        await wait_for_kernel(sock)
        early.append(received(sock))
        await send(body(b"hello"))

    async def wait_for_kernel(sock):
        sock.setblocking(True)
        sock.recv(1, socket.MSG_PEEK)
        sock.setblocking(False)

    async with serving(application) as served:
        with plain_socket(served) as sock:
            sock.send(GET + GET.replace(b"/ ", b"/pieces ") + GET)
            await answers(sock, 2)
    assert b"hello" in early[0]
    assert early[0].endswith(b"piece\r\n")


@pytest.mark.parametrize("size", [0, 8_000, 9_000, 1 << 20])
async def test_bodies_of_all_sizes_stay_in_order(size):
    """Small ones are copied, large ones are not; what the kernel does not take waits."""

    async def application(scope, receive, send):
        content = bytes([int(scope["path"][1:])]) * size
        await send(start(headers=[(b"x-long", b"y" * 100)]))
        await send(body(content))

    requests = [GET.replace(b"/ ", b"/%d " % number) for number in range(6)]
    async with serving(application) as served:
        with plain_socket(served) as sock:
            sock.send(b"".join(requests))
            data = bytearray()
            loop = asyncio.get_running_loop()
            while not data.endswith(b"\r\n\r\n" + b"\5" * size) or data.count(b"x-long") < 6:
                data += await loop.sock_recv(sock, 1 << 20)
    parts = bytes(data).split(b"HTTP/1.1 200 OK\r\n")[1:]
    assert [part.partition(b"\r\n\r\n")[2] for part in parts] == [
        bytes([number]) * size for number in range(6)
    ]


async def test_answers_that_wait_are_sent_before_the_connection_closes():
    async def application(scope, receive, send):
        await read_body(receive)
        await hello(scope, receive, send)

    last = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    async with serving(application) as served:
        with plain_socket(served) as sock:
            sock.send(GET * 3 + last + GET)
            data = await answers(sock, 4)
            assert data.count(b"HTTP/1.1 200 OK") == 4
            await wait_until(lambda: not served.server.engine.connections)
