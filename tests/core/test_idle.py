"""What an idle loop costs: nothing, with connections open and timers armed."""

from tests.support.syscalls import calls_between_marks, needs_strace

IDLE = """
import asyncio, os, ngxloop

class Silent(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Silent, "127.0.0.1", 0)
    address = server.sockets[0].getsockname()
    clients = [await loop.create_connection(Silent, *address) for _ in range(200)]
    timers = [loop.call_later(1000 + i % 977, print) for i in range(10_000)]
    cancelled = [loop.call_later(1 + i % 100, print) for i in range(10_000)]
    for timer in cancelled:
        timer.cancel()
    await asyncio.sleep(0.01)  # the last of the connecting
    os.getppid()
    await asyncio.sleep(0.5)
    os.getppid()
    os._exit(0)

ngxloop.run(main())
"""


@needs_strace
def test_idle_loop_makes_no_system_call_but_its_wait():
    calls = calls_between_marks(IDLE, "all")

    # The wait for the timer, and the look at the kernel in the turn in which the task goes on.
    calls.pop("getpid", None)  # asyncio's own, before Python 3.12: whose running loop is it?
    waits = calls.pop("epoll_pwait2", 0) + calls.pop("epoll_wait", 0)
    assert (waits, calls) == (2, {})
