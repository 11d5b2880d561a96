"""What a forked child may do, and that it leaves its parent's loop alone."""

import pytest

from tests.support.processes import Program

FORK = """
import asyncio, os, signal, sys, warnings
from tests.support.loops import LOOPS
from tests.support.waiting import DEADLINE

new_loop = LOOPS[{name!r}]

def in_child(function):
    pid = os.fork()
    if pid == 0:
        try:
            function()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def run(coroutine):
    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(coroutine)

async def echo(reader, writer):
    while data := await reader.read(100):
        writer.write(data)
    writer.close()

async def exchange(reader, writer, message):
    writer.write(message)
    assert await asyncio.wait_for(reader.readexactly(len(message)), DEADLINE) == message

async def serve_and_exchange(message):
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await exchange(reader, writer, message)
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.01)
"""

PROGRAMS = {
    "a child of an idle loop runs a loop of its own": """
loop = new_loop()
loop.run_until_complete(asyncio.sleep(0))
assert in_child(lambda: run(serve_and_exchange(b"child"))) == 0
loop.run_until_complete(serve_and_exchange(b"parent"))
loop.close()
""",
    "a child of a running loop runs a loop of its own": """
async def main():
    def child():
        if sys.version_info < (3, 12):  # since then the interpreter sees to it
            asyncio._set_running_loop(None)
        run(serve_and_exchange(b"child"))
    assert in_child(child) == 0
    await serve_and_exchange(b"parent")
run(main())
""",
    "connections of the parent survive a child that runs a loop": """
async def main():
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        await exchange(reader, writer, b"before")
        def child():
            if sys.version_info < (3, 12):
                asyncio._set_running_loop(None)
            run(serve_and_exchange(b"child"))
        assert in_child(child) == 0
        await exchange(reader, writer, b"after")
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0.01)
run(main())
""",
    "datagrams, pipes and processes of the parent survive those of a child": """
class Endpoint(asyncio.DatagramProtocol):
    def __init__(self):
        self.received = asyncio.get_running_loop().create_future()
    def datagram_received(self, data, address):
        self.received.set_result(data)

async def datagram_to_ourselves(transport, protocol, data):
    transport.sendto(data, transport.get_extra_info("sockname"))
    assert await asyncio.wait_for(protocol.received, DEADLINE) == data
    transport.close()

async def child():
    endpoint = await asyncio.get_running_loop().create_datagram_endpoint(
        Endpoint, local_addr=("127.0.0.1", 0)
    )
    await datagram_to_ourselves(*endpoint, b"child")
    process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    assert await process.communicate(b"child") == (b"child", None)

async def main():
    loop = asyncio.get_running_loop()
    endpoint = await loop.create_datagram_endpoint(Endpoint, local_addr=("127.0.0.1", 0))
    process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
    def run_child():
        if sys.version_info < (3, 12):
            asyncio._set_running_loop(None)
        run(child())
    assert in_child(run_child) == 0
    await datagram_to_ourselves(*endpoint, b"parent")
    assert await process.communicate(b"parent") == (b"parent", None)
    assert process.returncode == 0
run(main())
""",
    "a child that just ends leaves its parent's signal handlers in place": """
async def main():
    heard = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
    assert in_child(lambda: None) == 0
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(heard.wait(), DEADLINE)
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
run(main())
""",
}


NO_LOOP_IN_THE_CHILD = """
async def main():
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, print)
    def child():
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            pass
        else:
            raise AssertionError("a loop runs in the child")
        if sys.version_info >= (3, 12):
            assert signal.set_wakeup_fd(-1) == -1
    assert in_child(child) == 0
    assert asyncio.get_running_loop().is_running()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGUSR1)
run(main())
"""


def test_a_forked_child_sees_no_running_loop_and_no_wake_up_fd(loop_factory):
    with Program("-c", FORK.format(name=loop_factory.name) + NO_LOOP_IN_THE_CHILD) as program:
        code = program.end()

    assert (code, program.output) == (0, "")


@pytest.mark.parametrize("case", PROGRAMS)
def test_fork(loop_factory, case):
    with Program("-c", FORK.format(name=loop_factory.name) + PROGRAMS[case]) as program:
        code = program.end()

    assert (code, program.output) == (0, "")
