"""sendfile over transports, with and without TLS, and sock_sendfile."""

import asyncio
import socket
from typing import Any

from tests.stress import links
from tests.stress.pattern import is_piece, piece
from tests.stress.socks import end_tasks
from tests.stress.streams import all_received
from tests.stress.world import Act


def a_file(act: Act, position: int, size: int) -> Any:
    """Return an open file with so many bytes of the pattern."""
    path = act.path("file")
    path.write_bytes(piece(position, size))
    return act.own(path.open("rb"))


async def over_a_transport(act: Act) -> None:
    """Send a file between two writes."""
    client, server = await links.connected(act)
    size = act.choose(0, 1, 10_000, 500_000)
    file = a_file(act, client.sent_count, size)
    if act.chance(0.3):
        server.transport.pause_reading()
        act.loop.call_later(0.005, resume, server)
    sent = await act.loop.sendfile(client.transport, file)
    act.check(sent == size, f"sendfile sent {sent} of {size}")
    client.sent_count += size
    client.send([1_000], "bytes")
    await all_received(act, client, server)


def resume(life: Any) -> None:
    if not life.lost_count:
        life.transport.resume_reading()


async def over_a_socket(act: Act) -> None:
    """Send a part of a file to a socket that a task receives from."""
    near, far = socket.socketpair()
    act.own(near).setblocking(False)
    act.own(far).setblocking(False)
    size = act.choose(1, 10_000, 500_000)
    offset = act.choose(0, size // 2)
    file = a_file(act, 0, size)

    async def receive() -> int:
        position = offset
        while data := await act.loop.sock_recv(far, 100_000):
            act.check(is_piece(data, position), f"wrong bytes at {position}")
            position += len(data)
        return position

    receiving = asyncio.create_task(receive())
    act.defer(lambda: end_tasks(receiving))
    await act.loop.sock_sendfile(near, file, offset, None)
    near.shutdown(socket.SHUT_WR)
    act.check(await receiving == size, "sock_sendfile sent another number of bytes")
