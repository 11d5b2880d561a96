"""Protocols that do to a transport what none should: no crash, no hang, and memory stays whole.

Each runs in a process of its own under the debug allocator; see tests.support.abuse.
"""

import pytest

from tests.support.abuse import run_abuse

PROTOCOL_SWAPS = """
    loop = EventLoop()
    loop.set_exception_handler(lambda loop, context: None)

    class Streamed(asyncio.Protocol):
        def data_received(self, data):
            transport.set_protocol(Buffered())

        def eof_received(self):
            transport.set_protocol(None)

    class Buffered(asyncio.BufferedProtocol):
        def get_buffer(self, sizehint):
            transport.set_protocol(Streamed())
            return bytearray(5)

        def buffer_updated(self, count):
            transport.set_protocol(Streamed())

        def eof_received(self):
            transport.set_protocol(Buffered())

    async def main():
        global transport
        for factory in (Streamed, Buffered) * 10:
            ours, peer = pair()
            transport, _ = await loop.create_connection(factory, sock=ours)
            with peer:
                for _ in range(5):
                    with contextlib.suppress(OSError):
                        peer.send(b"123456789")
                    await asyncio.sleep(0)
                    await asyncio.sleep(0)
            await asyncio.sleep(0.001)
            transport.abort()
            await asyncio.sleep(0)

    loop.run_until_complete(main())
    loop.close()
"""

BUFFERS_THAT_CHANGE = """
    loop = EventLoop()

    class Shrinking(asyncio.BufferedProtocol):
        def connection_made(self, transport):
            self.buffer = bytearray(100)

        def get_buffer(self, sizehint):
            return self.buffer

        def buffer_updated(self, count):
            self.buffer.clear()
            self.buffer = bytearray(1)

    class Long(bytearray):
        def __len__(self):
            return 1 << 40

    class Evil(bytes):
        def __len__(self):
            return 1 << 40

        def __bytes__(self):
            return b"evil"

    async def main():
        ours, peer = pair()
        with peer:
            transport, _ = await loop.create_connection(Shrinking, sock=ours)
            peer.send(b"x" * 150)
            await asyncio.sleep(0.01)
            transport.write(Long(b"long"))
            transport.write(Evil(b"good"))
            transport.write(memoryview(b"a.b.c.")[::2])
            released = memoryview(bytearray(5))
            released.release()
            with contextlib.suppress(ValueError):
                transport.write(released)
            await asyncio.sleep(0)
            assert peer.recv(100) == b"longevilabc"
            transport.abort()
            await asyncio.sleep(0.001)

    loop.run_until_complete(main())
    loop.close()
"""

SERVER_CLOSED_BY_ITS_CONNECTIONS = """
    loop = EventLoop()
    loop.set_exception_handler(lambda loop, context: None)  # of the connection it has no room for

    class Closing(asyncio.Protocol):
        def connection_made(self, transport):
            server.close()
            transport.close()

    def factory():
        if next(numbers) % 2:
            server.close()
        return Closing()

    async def main():
        global server
        for make in (Closing, factory) * 20:
            server = await loop.create_server(make, "127.0.0.1", 0)
            address = server.sockets[0].getsockname()
            with contextlib.ExitStack() as stack:
                for _ in range(3):
                    client = stack.enter_context(socket.socket())
                    client.setblocking(False)
                    with contextlib.suppress(BlockingIOError):
                        client.connect(address)
                await asyncio.sleep(0.002)
            server.close()
        await asyncio.sleep(0.01)

    import itertools
    numbers = itertools.count()
    loop.run_until_complete(main())
    loop.close()
"""

PROTOCOLS_WITHOUT_METHODS = """
    import logging
    logging.disable(logging.CRITICAL)
    loop = EventLoop()

    async def main():
        for protocol in (None, 5, object(), asyncio.BaseProtocol()):
            ours, peer = pair()
            transport, _ = await loop.create_connection(lambda: protocol, sock=ours)
            peer.send(b"x")
            peer.close()
            await asyncio.sleep(0.001)
            transport.set_write_buffer_limits(0)
            transport.write(b"x" * 1_000_000)
            await asyncio.sleep(0.001)
            transport.abort()
            await asyncio.sleep(0)

    loop.run_until_complete(main())
    loop.close()
"""

PROGRAMS = {
    "protocol_swaps": PROTOCOL_SWAPS,
    "buffers_that_change": BUFFERS_THAT_CHANGE,
    "server_closed_by_its_connections": SERVER_CLOSED_BY_ITS_CONNECTIONS,
    "protocols_without_methods": PROTOCOLS_WITHOUT_METHODS,
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_abuse_is_survived(program):
    run_abuse(program)
