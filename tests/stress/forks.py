"""Forked children that run a loop: a new one, or the one they have inherited."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable

from tests.stress.pattern import is_piece, piece
from tests.stress.world import Act, World

# Seconds after which a child that hangs is ended by the kernel.
CHILD_SECONDS = 80


def child(world: World, work: Callable[[], None]) -> int:
    """Fork; the child works and ends with 0, or with 1 and a traceback. Return its process id."""
    pid = os.fork()
    if pid:
        world.processes.add(pid)
        return pid
    code = 1
    try:
        signal.alarm(CHILD_SECONDS)
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


async def new_loop(act: Act) -> None:
    """A child of the running loop runs one of its own; the parent's work goes on."""
    make_loop = type(act.loop)

    def work() -> None:
        if sys.version_info < (3, 12):  # since then the interpreter sees to it
            asyncio._set_running_loop(None)
        with asyncio.Runner(loop_factory=make_loop) as runner:
            runner.run(exchange())

    pid = child(act.world, work)
    act.note(f"child {pid}")
    waiting = asyncio.ensure_future(asyncio.to_thread(reap, act.world, pid))

    async def join() -> None:
        await asyncio.wait([waiting])

    act.defer(join)
    code = await asyncio.shield(waiting)
    act.check(code == 0, f"the child ended with {code}")


def reap(world: World, pid: int) -> int:
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    world.processes.discard(pid)
    return code


async def exchange() -> None:
    """Carry the pattern over a connection, a pipe of a process, a timer and a datagram."""
    near, far = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=near)
    other_reader, other_writer = await asyncio.open_connection(sock=far)
    writer.write(piece(0, 400_000))
    writer.write_eof()
    data = await asyncio.wait_for(other_reader.read(), CHILD_SECONDS)
    assert is_piece(data, 0), "wrong bytes"
    assert len(data) == 400_000, f"{len(data)} bytes"
    for stream in (writer, other_writer):
        stream.close()
        with contextlib.suppress(ConnectionError):
            await stream.wait_closed()
    assert not await reader.read()
    await asyncio.sleep(0.001)


def inherited_loop(world: World) -> None:
    """A child goes on with the loop that its parent has used, and closes it; before the round."""
    loop = world.loop
    loop.run_until_complete(exchange())

    def work() -> None:
        loop.run_until_complete(exchange())
        loop.run_until_complete(exchange())
        loop.close()

    pid = child(world, work)
    loop.run_until_complete(exchange())
    code = reap(world, pid)
    if code != 0:
        world.fail("inherited loop", f"the child ended with {code}")
    loop.run_until_complete(exchange())
