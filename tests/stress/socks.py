"""sock_connect, sock_accept, sock_recv and their kin, on sockets that no transport has."""

import asyncio
import contextlib
import socket

from tests.stress.pattern import SIZES, is_piece, piece
from tests.stress.world import Act
from tests.support.addresses import free_address


async def carry(act: Act) -> None:
    """One end sends the pattern, the other receives it in different ways."""
    near, far = await connected_sockets(act)
    sizes = [act.choose(*SIZES) for _ in range(act.randomness.randrange(1, 8))]
    total = sum(sizes)
    sending = asyncio.create_task(send_all(act, near, sizes))
    receiving = asyncio.create_task(receive_all(act, far, total))
    act.defer(lambda: end_tasks(sending, receiving))
    await asyncio.wait([sending, receiving])
    if sending.exception() is None and receiving.exception() is None:
        act.check(receiving.result() == total, f"{receiving.result()} bytes of {total} came")
    else:
        act.fail(f"{sending.exception()!r}, {receiving.exception()!r}")


async def end_tasks(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def connected_sockets(act: Act) -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets of a socketpair, or of TCP."""
    if act.chance(0.4):
        near, far = socket.socketpair()
        act.own(near).setblocking(False)
        act.own(far).setblocking(False)
        return near, far
    listener = act.own(socket.socket())
    listener.setblocking(False)
    listener.bind(free_address())
    listener.listen()
    near = act.own(socket.socket())
    near.setblocking(False)
    accepting = asyncio.create_task(act.loop.sock_accept(listener))
    act.defer(lambda: end_accepting(accepting))
    await act.breathe()
    await act.loop.sock_connect(near, listener.getsockname())
    far, _ = await accepting
    return near, far


async def end_accepting(accepting: asyncio.Task[tuple[socket.socket, object]]) -> None:
    accepting.cancel()
    await asyncio.wait([accepting])
    if not accepting.cancelled() and accepting.exception() is None:
        accepting.result()[0].close()


async def send_all(act: Act, sock: socket.socket, sizes: list[int]) -> None:
    position = 0
    for size in sizes:
        data = piece(position, size)
        await act.loop.sock_sendall(sock, act.choose(bytes, bytearray, memoryview)(data))
        position += size
        await act.breathe()
    sock.shutdown(socket.SHUT_WR)


async def receive_all(act: Act, sock: socket.socket, total: int) -> int:
    """Receive to the end; return how many bytes came. Receives that time out lose nothing."""
    position = 0
    buffer = bytearray(100_000)
    while True:
        limit = act.choose(1, 1_000, 100_000) if position < total else 1
        data: bytes | memoryview
        try:
            async with asyncio.timeout(act.choose(None, None, None, 0, 0.001)):
                if act.chance(0.5):
                    data = await act.loop.sock_recv(sock, limit)
                else:
                    count = await act.loop.sock_recv_into(sock, memoryview(buffer)[:limit])
                    data = memoryview(buffer)[:count]
        except TimeoutError:
            continue
        if not len(data):
            return position
        act.check(is_piece(data, position), f"{len(data)} wrong bytes at {position}")
        position += len(data)


async def datagrams(act: Act) -> None:
    """sock_sendto and sock_recvfrom between two Unix sockets, which lose nothing."""
    near, far = socket.socketpair(type=socket.SOCK_DGRAM)
    act.own(near).setblocking(False)
    act.own(far).setblocking(False)
    path = str(act.path("datagrams"))
    receiver = act.own(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    receiver.setblocking(False)
    receiver.bind(path)
    sender = act.own(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
    sender.setblocking(False)
    count = act.randomness.randrange(1, 40)

    async def send() -> None:
        for number in range(count):
            await act.loop.sock_sendto(sender, b"%d" % number, path)

    sending = asyncio.create_task(send())
    act.defer(lambda: end_tasks(sending))
    for number in range(count):
        data, _ = await act.loop.sock_recvfrom(receiver, 100)
        act.check(data == b"%d" % number, f"datagram {number} is {data!r}")


async def refused(act: Act) -> None:
    """Connections to where nobody listens, by every call that makes one."""
    address = free_address()
    sock = act.own(socket.socket())
    sock.setblocking(False)
    for attempt in (
        lambda: act.loop.sock_connect(sock, address),
        lambda: act.loop.create_connection(asyncio.Protocol, *address),
        lambda: asyncio.open_connection(*address),
        lambda: act.loop.create_unix_connection(asyncio.Protocol, str(act.path("nowhere"))),
    ):
        with contextlib.suppress(ConnectionRefusedError, FileNotFoundError):
            await attempt()
            act.fail("a connection to nowhere was made")
