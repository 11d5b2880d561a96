"""An allocation that fails while data comes: all of it arrives, or the connection is lost."""

import pytest

from tests.support.processes import Program

# The interpreter can be told to fail one allocation; each of the next is tried in turn.
PROGRAM = """
import asyncio, socket
from _testcapi import remove_mem_hooks, set_nomemory
from tests.support.loops import LOOPS
from tests.support.waiting import wait_until

class Counting(asyncio.Protocol):
    def __init__(self):
        self.count, self.lost = 0, False

    def data_received(self, data):
        self.count += len(data)

    def connection_lost(self, exc):
        self.lost = True

async def connected(loop):
    ours, peer = socket.socketpair()
    return *await loop.create_connection(Counting, sock=ours), peer

def turn_without_memory(loop, number):
    stopping = loop.call_later(0.002, loop.stop)
    loop.call_soon(set_nomemory, number, number + 1)
    try:
        loop.run_forever()
    except MemoryError:
        pass
    finally:
        remove_mem_hooks()
        asyncio._set_running_loop(None)  # takes memory itself before Python 3.12
        stopping.cancel()

def lost_without(number):
    loop = LOOPS[{name!r}]()
    loop.set_exception_handler(lambda loop, context: loop.stop())
    transport, protocol, peer = loop.run_until_complete(connected(loop))

    def arrived(count):
        return wait_until(lambda: protocol.lost or protocol.count == count, "data, or the end")

    peer.send(bytes({before}))  # decides how the connection receives from then on
    loop.run_until_complete(arrived({before}))
    peer.send(bytes(1000))
    turn_without_memory(loop, number)
    loop.run_until_complete(arrived({before} + 1000))
    transport.close()
    loop.run_until_complete(wait_until(lambda: protocol.lost))
    lost = protocol.count != {before} + 1000
    peer.close()
    loop.close()
    return lost

print("lost", any([lost_without(number) for number in range(80)]))
"""


@pytest.mark.parametrize("before", [0, 10, 50_000], ids=["nothing", "little", "much"])
def test_a_receive_without_memory_leaves_no_hole_in_the_stream(loop_factory, before):
    pytest.importorskip("_testcapi")
    program = PROGRAM.format(name=loop_factory.name, before=before)

    with Program("-W", "ignore", "-c", program) as running:
        code = running.end()

    assert code == 0, running.output
    assert running.output == "lost True\n"
