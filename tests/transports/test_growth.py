"""Memory and file descriptors over ten thousand connections: flat after a warm-up.

The programs are on their own, so that nothing of pytest's is measured.
"""

import pytest

from tests.support.leaks import needs_block_count
from tests.support.programs import run_program

CONNECTIONS = """
    import asyncio, gc, os, socket, sys, tempfile
    import ngxloop

    class {protocol}

    def resident_kib():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024

    async def use(path, count):
        for _ in range(count // 20):
            clients = []
            for _ in range(20):
                client = socket.socket(socket.AF_UNIX)
                client.connect(path)
                client.send(b"x" * 100)
                clients.append(client)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            for client in clients:
                client.close()
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)

    def count_and_make():
        global made_count
        made_count += 1
        return {factory}()

    async def main():
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: None)
        with tempfile.TemporaryDirectory() as folder:
            path = folder + "/socket"
            server = await loop.create_unix_server(count_and_make, path)
            await use(path, 2000)
            gc.collect()
            before = (sys.getallocatedblocks(), resident_kib(), len(os.listdir("/proc/self/fd")))
            await use(path, 10_000)
            gc.collect()
            after = (sys.getallocatedblocks(), resident_kib(), len(os.listdir("/proc/self/fd")))
            server.close()
        grown = [now - was for was, now in zip(before, after)]
        assert made_count == 12_000, made_count
        assert grown[0] < 200 and grown[1] < 512 and grown[2] == 0, grown

    made_count = 0
    ngxloop.run(main(), debug=False)
"""

STREAMED = """Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data)
"""

BUFFERED = """Echo(asyncio.BufferedProtocol):
        def connection_made(self, transport):
            self.transport = transport
            self.buffer = bytearray(64)

        def get_buffer(self, sizehint):
            return self.buffer

        def buffer_updated(self, count):
            self.transport.write(memoryview(self.buffer)[:count])
"""

ASKING = """Echo(asyncio.Protocol):
        def connection_made(self, transport):
            transport.get_extra_info("socket")
            transport.get_extra_info("peername")
            transport.note = self

        def data_received(self, data):
            pass
"""

FAILING = """Echo(asyncio.Protocol):
        def connection_made(self, transport):
            raise ValueError

        data_received = connection_lost = connection_made
"""


@needs_block_count
@pytest.mark.parametrize(
    ("protocol", "factory"),
    [
        (STREAMED, "Echo"),
        (BUFFERED, "Echo"),
        (ASKING, "Echo"),
        (FAILING, "Echo"),
        (STREAMED, "int"),
    ],
    ids=["streamed", "buffered", "asking_for_sockets", "failing", "factory_of_nonsense"],
)
def test_ten_thousand_connections_leave_nothing(protocol, factory):
    run_program(CONNECTIONS.format(protocol=protocol, factory=factory), PYTHONMALLOC="default")
