"""What connections cost that wait for a request."""

import asyncio
import contextlib
import gc
import subprocess
import sys

import pytest

from ngxloop.core.gates import make_gate
from ngxloop.core.scoreboard import READY, Scoreboard
from tests.http.serving import GET, client, hello, plain_socket, serving
from tests.probes.reactor import ReactorProbe
from tests.support.syscalls import calls_between_marks, needs_strace
from tests.support.waiting import DEADLINE, wait_until

SHORT = 0.2

# Before Python 3.12 a request's head is held for a moment with a deadline of 50 ms: until that has
# passed, each connection has a timer. So tests wait for that.

# Objects of an idle connection: connection, transport, peer's address with host and port; on 3.13
# the server's weak reference. Another one would be a timer, a writer, a context or a buffer.
BLOCK_COUNT_MAX = 7

# Connects, asks once on each connection, and stays until its input ends.
CLIENTS = """
import socket, sys
address, count, warm = (sys.argv[1], int(sys.argv[2])), int(sys.argv[3]), int(sys.argv[4])
socks = []
for number in range(warm + count):
    if number == warm:
        print("warm", flush=True)
        sys.stdin.readline()
    sock = socket.create_connection(address)
    sock.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
    sock.recv(1000)
    socks.append(sock)
print("idle", flush=True)
sys.stdin.readline()
"""


async def test_an_idle_connection_keeps_nothing_that_can_be_made_again():
    count = 300
    probe = ReactorProbe(asyncio.get_running_loop())
    async with serving(hello) as served:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLIENTS, *map(str, served.address), str(count), "20"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(DEADLINE):
                await process.stdout.readline()
                gc.collect()
                before = sys.getallocatedblocks()
                process.stdin.write(b"\n")
                await process.stdout.readline()
            await wait_until(lambda: probe.timer_count < 10)
            gc.collect()
            blocks = sys.getallocatedblocks() - before
        finally:
            process.kill()
            await process.wait()
    assert blocks / count < BLOCK_COUNT_MAX + 0.5


async def test_all_idle_connections_have_one_timer():
    probe = ReactorProbe(asyncio.get_running_loop())
    async with serving(hello) as served, contextlib.AsyncExitStack() as stack:
        before = probe.timer_count
        for _ in range(20):
            peer = await stack.enter_async_context(client(served))
            peer.send(GET)
            await peer.answer()
        # That of those that wait for their first byte, and that of these.
        await wait_until(lambda: probe.timer_count <= before + 2)


async def test_no_timer_is_left_when_the_last_connection_is_lost():
    probe = ReactorProbe(asyncio.get_running_loop())
    async with serving(hello) as served:
        before = probe.timer_count
        async with client(served) as peer:
            peer.send(GET)
            await peer.answer()
        await wait_until(lambda: not served.server.engine.connections)
        assert probe.timer_count == before


async def test_idle_connections_are_closed_each_in_its_time():
    loop = asyncio.get_running_loop()
    async with (
        serving(hello, timeout_keep_alive=SHORT) as served,
        client(served) as first,
        client(served) as second,
    ):
        for peer in (first, second):
            peer.send(GET)
            await peer.answer()
        await asyncio.sleep(SHORT / 2)
        begin = loop.time()
        first.send(GET)  # now the second one is the first to end
        await first.answer()
        assert await second.is_closed()
        assert await first.is_closed()
        assert loop.time() - begin >= SHORT * 0.9  # the clock of deadlines has ticks


@pytest.mark.parametrize(
    ("state", "pieces"),
    [
        ("waiting", []),
        ("waiting", [b"\r\n"]),
        ("idle", [GET]),
        ("idle", [GET + b"\r\n"]),
        ("idle", [GET, b"\r\n"]),
    ],
    ids=repr,
)
async def test_a_connection_that_asks_nothing_makes_room_whatever_empty_lines_came(state, pieces):
    limit = 32  # idle ones are closed while at most 2 are free
    board = Scoreboard(1)
    board.claim(0, 1)
    board.set_state(0, READY)
    loop = asyncio.get_running_loop()
    loop.set_accept_gate(make_gate("plain", board, 0, worker_connections=limit, accept_limit=100))
    async with serving(hello) as served:
        engine = served.server.engine
        with contextlib.ExitStack() as stack, plain_socket(served) as idle:
            for piece in pieces:
                received = loop.stats().received_bytes
                await loop.sock_sendall(idle, piece)
                await wait_until(lambda: loop.stats().received_bytes > received)  # noqa: B023
            await wait_until(lambda: [c.state_name for c in engine.connections] == [state])
            if state == "idle":
                assert b"hello" in await loop.sock_recv(idle, 1000)
            for _ in range(limit - 1):
                stack.enter_context(plain_socket(served))
            async with asyncio.timeout(DEADLINE):
                assert await loop.sock_recv(idle, 1000) == b""


async def test_connections_are_counted_in_whatever_state_they_are():
    async with serving(hello) as served:
        engine = served.server.engine
        with plain_socket(served) as waiting, plain_socket(served) as begun:
            begun.send(b"GET / HT")
            async with client(served) as idle:
                idle.send(GET)
                await idle.answer()
                states = ["head", "idle", "waiting"]
                await wait_until(lambda: sorted(c.state_name for c in engine.connections) == states)
                assert engine.connection_count == 3
            await wait_until(lambda: engine.connection_count == 2)
            waiting.close()
            await wait_until(lambda: engine.connection_count == 1)


@needs_strace
def test_idle_connections_cost_no_system_call_and_no_wake_up():
    calls = calls_between_marks(
        """
        import asyncio, os, socket
        import ngxloop
        from ngxloop.http import HttpServer
        from tests.http.serving import GET, hello

        async def main():
            loop = asyncio.get_running_loop()
            server = HttpServer(hello, lifespan="off")
            listening = await loop.create_server(server.protocol, "127.0.0.1", 0)
            socks = [socket.create_connection(listening.sockets[0].getsockname()) for _ in "ab"]
            for sock in socks:
                sock.setblocking(False)
                await loop.sock_sendall(sock, GET)
                await loop.sock_recv(sock, 1000)
            await asyncio.sleep(0.2)
            os.getppid()
            await asyncio.sleep(0.5)
            os.getppid()

        ngxloop.run(main())
        """,
        "%network,epoll_wait,epoll_pwait,epoll_pwait2,epoll_ctl,read,write",
    )
    calls.pop("getppid", None)
    assert sum(calls.values()) <= 2, calls  # asleep until the program's own timer
