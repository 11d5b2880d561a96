"""What had a number before: each leaves several numbers behind, as an ordinary program would.

A function is called with the supply of the files that come next. It notes the numbers that it has
used in `supply.stale`.
"""

import asyncio
import contextlib
import fcntl
import os
import socket

from tests.conformance.descriptors.supply import HIGH_NUMBER
from tests.support.sockets import drain, fill
from tests.support.waiting import turns

COUNT = 6

# Seconds that a connection is waited for which cannot be made.
PATIENCE = 0.02


def pairs(supply):
    """Return connected, non-blocking pairs; their numbers are stale once they are closed."""
    made = [socket.socketpair() for _ in range(COUNT)]
    for sock in (sock for pair in made for sock in pair):
        sock.setblocking(False)
        supply.stale.append(sock.fileno())
    return made


def close(made):
    for ours, peer in made:
        ours.close()
        peer.close()


async def nothing(supply):
    await turns(1)


async def waited_to_receive(supply):
    made = pairs(supply)
    waits = [asyncio.ensure_future(supply.loop.sock_recv(ours, 10)) for ours, _ in made]
    waits += [asyncio.ensure_future(supply.loop.sock_recv(peer, 10)) for _, peer in made]
    await turns(2)
    for ours, peer in made:
        ours.send(b"x")
        peer.send(b"x")
    await asyncio.gather(*waits)
    close(made)


async def waited_to_send(supply):
    made = pairs(supply)
    for ours, _ in made:
        fill(ours)
    waits = [asyncio.ensure_future(supply.loop.sock_sendall(ours, b"x")) for ours, _ in made]
    await turns(2)
    for _, peer in made:
        drain(peer)
    await asyncio.gather(*waits)
    close(made)


async def gave_up_receiving(supply):
    made = pairs(supply)
    waits = [asyncio.ensure_future(supply.loop.sock_recv(ours, 10)) for ours, _ in made]
    await turns(2)
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    close(made)


async def waited_to_accept(supply):
    for _ in range(COUNT):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            supply.stale.append(listener.fileno())
            wait = asyncio.ensure_future(supply.loop.sock_accept(listener))
            await turns(2)
            with socket.create_connection(listener.getsockname()):
                accepted, _ = await wait
                accepted.close()


@contextlib.contextmanager
def full_listener():
    """Give the address of a listener with a full queue: a connection to it waits."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(listener.getsockname())
        yield listener.getsockname()


async def timed_out_connecting(supply):
    with full_listener() as address:
        socks = [socket.socket() for _ in range(COUNT)]
        for sock in socks:
            sock.setblocking(False)
            supply.stale.append(sock.fileno())
        waits = [asyncio.ensure_future(supply.loop.sock_connect(sock, address)) for sock in socks]
        _, waiting = await asyncio.wait(waits, timeout=PATIENCE)
        for wait in waiting:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        for sock in socks:
            sock.close()


async def timed_out_connections(supply, host=None):
    with full_listener() as (number, port):
        waits = [
            asyncio.ensure_future(
                supply.loop.create_connection(asyncio.Protocol, host or number, port)
            )
            for _ in range(COUNT)
        ]
        _, waiting = await asyncio.wait(waits, timeout=PATIENCE)
        for wait in waiting:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def timed_out_connections_by_name(supply):
    await timed_out_connections(supply, "localhost")


async def had_readers_removed(supply):
    made = pairs(supply)
    for ours, peer in made:
        supply.loop.add_reader(ours, int)
        supply.loop.add_writer(peer, int)
    await turns(2)
    for ours, peer in made:
        supply.loop.remove_reader(ours)
        supply.loop.remove_writer(peer)
    close(made)


async def had_readers(supply):
    made = pairs(supply)
    for ours, peer in made:
        supply.loop.add_reader(ours.fileno(), int)
        supply.loop.add_reader(peer.fileno(), int)
    await turns(2)
    close(made)


async def had_writers(supply):
    made = pairs(supply)
    for ours, peer in made:
        supply.loop.add_writer(ours.fileno(), int)
        supply.loop.add_writer(peer.fileno(), int)
    await turns(2)
    close(made)


async def were_transports(supply):
    made = pairs(supply)
    for ours, _ in made:
        transport, _ = await supply.loop.create_connection(asyncio.Protocol, sock=ours)
        transport.abort()
    await turns(3)
    close(made)


async def were_pipes(supply):
    for _ in range(COUNT):
        reading, writing = os.pipe()
        supply.stale += [reading, writing]
        files = open(reading, "rb", 0), open(writing, "wb", 0)  # noqa: SIM115
        read_end, _ = await supply.loop.connect_read_pipe(asyncio.Protocol, files[0])
        write_end, _ = await supply.loop.connect_write_pipe(asyncio.Protocol, files[1])
        read_end.close()
        write_end.close()
        await turns(3)


async def were_servers(supply):
    for _ in range(COUNT):
        server = await supply.loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        supply.stale.append(server.sockets[0].fileno())
        server.close()
        await server.wait_closed()


async def are_held_elsewhere(supply):
    """Close what was watched while duplicates keep the files open, as a forked child would."""
    made = pairs(supply)
    for ours, peer in made:
        for sock in (ours, peer):
            held = fcntl.fcntl(sock.fileno(), fcntl.F_DUPFD_CLOEXEC, HIGH_NUMBER)
            supply.stack.callback(os.close, held)
        supply.loop.add_reader(ours, int)
        supply.loop.add_reader(peer, int)
    await turns(2)
    fds = [sock.fileno() for pair in made for sock in pair]
    for ours, peer in made:
        ours.send(b"for the former file")
        peer.send(b"for the former file")
    close(made)
    for fd in fds:
        supply.loop.remove_reader(fd)


async def are_taken_over(supply):
    """Leave sockets open that were waited for; other files get their numbers with dup2()."""
    made = pairs(supply)
    waits = [asyncio.ensure_future(supply.loop.sock_recv(ours, 10)) for ours, _ in made]
    await turns(2)
    for _, peer in made:
        peer.send(b"x")
    await asyncio.gather(*waits)
    for ours, peer in made:
        supply.stack.enter_context(peer)
        supply.numbers.append(ours.detach())
    supply.stack.callback(supply.close_numbers)


BEFORE = {
    one.__name__: one
    for one in (
        nothing,
        waited_to_receive,
        waited_to_send,
        gave_up_receiving,
        waited_to_accept,
        timed_out_connecting,
        timed_out_connections,
        timed_out_connections_by_name,
        had_readers_removed,
        had_readers,
        had_writers,
        were_transports,
        were_pipes,
        were_servers,
        are_held_elsewhere,
        are_taken_over,
    )
}

# What asyncio still takes for the former file: see "add_reader for a number that is another file by
# now" in docs/differences.md. What comes next is not served, or fails.
STALE_ON_ASYNCIO = {"had_readers", "had_writers", "are_held_elsewhere"}
