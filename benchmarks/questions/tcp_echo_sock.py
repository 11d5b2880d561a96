"""How fast does a TCP server echo that is written with loop.sock_recv and loop.sock_sendall?

Unit: requests per second, one request at a time on each connection; server CPU microseconds
per request. A task per connection.
Leaves out: sock_recv_into, sock_connect, and datagrams.
"""

import asyncio
import socket

from benchmarks.harness.echo import BACKLOG, HOST, Address, EchoQuestion, echo_grid
from benchmarks.harness.question import Case

READ_BYTES = 65536
TASKS: set[asyncio.Task[None]] = set()


async def start_sock_server(loop: asyncio.AbstractEventLoop, _case: Case) -> Address:
    listener = socket.create_server((HOST, 0), backlog=BACKLOG)
    listener.setblocking(False)
    keep(loop.create_task(accept(loop, listener)))
    return HOST, int(listener.getsockname()[1])


async def accept(loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
    while True:
        connection, _ = await loop.sock_accept(listener)
        # The transports of every loop set this; here the program has to.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep(loop.create_task(echo(loop, connection)))


async def echo(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> None:
    with connection:
        while data := await loop.sock_recv(connection, READ_BYTES):
            await loop.sock_sendall(connection, data)


def keep(task: asyncio.Task[None]) -> None:
    TASKS.add(task)
    task.add_done_callback(TASKS.discard)


QUESTION = EchoQuestion(start_sock_server, echo_grid())
