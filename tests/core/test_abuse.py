"""Programs that do to a loop what nobody should: none may crash or hang, and memory stays whole.

Each runs in a process of its own under the debug allocator; see tests.support.abuse.
"""

import pytest

from tests.support.abuse import run_abuse

THREADS_DURING_CLOSE = """
    def hammer(loop):
        with contextlib.suppress(RuntimeError):  # Event loop is closed
            while True:
                loop.call_soon_threadsafe(int)

    for number in range(12):
        loop = EventLoop()
        loop.set_debug(number % 2)
        threads = [threading.Thread(target=hammer, args=[loop]) for _ in range(3)]
        for thread in threads:
            thread.start()
        loop.call_later(0.002, loop.stop)
        loop.run_forever()
        loop.close()
        for thread in threads:
            thread.join()
"""

NESTED_TURNS = """
    loop = EventLoop()
    loop.set_exception_handler(lambda loop, context: None)
    depth = 0

    def nest(*_args):
        global depth
        if depth < 50:
            depth += 1
            loop._run_once()

    class Streamed(asyncio.Protocol):
        pause_writing = resume_writing = eof_received = connection_lost = nest

        def connection_made(self, transport):
            self.transport = transport
            nest()
            transport.write(b"x" * 100)

        def data_received(self, data):
            nest()
            self.transport.write(data)
            self.transport.write(b"y" * 200_000)
            nest()

    class Buffered(asyncio.BufferedProtocol):
        eof_received = connection_lost = nest

        def connection_made(self, transport):
            self.transport = transport
            nest()

        def get_buffer(self, sizehint):
            nest()
            return bytearray(10)

        def buffer_updated(self, count):
            nest()
            self.transport.write(b"z" * count)

    async def use(factory):
        global depth
        depth = 0
        ours, peer = pair()
        with peer:
            transport, _ = await loop.create_connection(factory, sock=ours)
            peer.send(b"hello" * 10)
            for _ in range(5):
                await asyncio.sleep(0)
                with contextlib.suppress(BlockingIOError):
                    peer.recv(1 << 20)
        await asyncio.sleep(0.001)
        transport.abort()
        await asyncio.sleep(0)

    for factory in (Streamed, Buffered) * 5:
        loop.run_until_complete(use(factory))
    loop.close()
"""

COLLECTOR_AT_EVERY_STEP = """
    gc.set_threshold(1)
    loop = EventLoop()

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            self.me = self

        def data_received(self, data):
            self.transport.write(data)

    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for number in range(20):
            reader, writer = await asyncio.open_connection(*address)
            writer.write(b"x" * 1000)
            assert len(await reader.readexactly(1000)) == 1000
            writer.close() if number % 2 else writer.transport.abort()
            del reader, writer
        server.close()
        await asyncio.sleep(0.01)

    loop.run_until_complete(main())
    loop.close()
    del loop
    gc.collect()
"""

FINALIZERS_THAT_USE_THE_LOOP = """
    loop = EventLoop()
    handles = []

    class Callback:
        def __call__(self):
            pass

        def __del__(self):
            for handle in handles:
                handle.cancel()
            with contextlib.suppress(RuntimeError):  # Event loop is closed
                handles.append(loop.call_soon(int))
                handles.append(loop.call_later(0, int))

    for number in range(100):
        handles.append(loop.call_later(number, Callback()))
        handles.append(loop.call_soon(Callback()))
    for _ in range(5):
        loop.call_soon(loop.stop)
        loop.run_forever()
    for number in range(100):
        handles.append(loop.call_later(number, Callback()))
        handles.append(loop.call_soon(Callback()))
    loop.close()
"""

FINALIZERS_THAT_TURN_THE_LOOP = """
    loop = EventLoop()
    depth = turned = 0

    class Garbage:
        def __init__(self):
            self.me = self

        def __del__(self):
            global depth, turned
            if depth < 3 and not loop.is_closed():
                depth += 1
                turned += 1
                loop.call_soon(int)  # or the turn waits
                loop._run_once()
                depth -= 1

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            Garbage()
            self.transport.write(data)

    class Client(asyncio.Protocol):
        left = 200
        size = 0

        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            Garbage()
            self.size += len(data)
            if self.size < 1000:
                return
            self.size -= 1000
            self.left -= 1
            if self.left:
                self.transport.write(b"x" * 1000)
            else:
                self.transport.close()

        def connection_lost(self, exc):
            loop.call_soon(loop.stop)

    clients = []
    for _ in range(5):
        ours, peer = pair()
        loop.run_until_complete(loop.create_connection(Echo, sock=ours))
        client = loop.run_until_complete(loop.create_connection(Client, sock=peer))[1]
        clients.append(client)
    for client in clients:
        client.transport.write(b"x" * 1000)
    gc.set_threshold(1)
    while any(client.left for client in clients):
        Garbage()
        loop.call_later(0, Garbage)
        loop.run_forever()
    assert turned > 100, turned
    gc.set_threshold(700)
    loop.close()
"""

EVERYTHING_OPEN_AT_EXIT = """
    warnings.simplefilter("ignore")
    loop = EventLoop()
    ours, peer = pair()
    other, other_peer = pair()
    transport, _ = loop.run_until_complete(loop.create_connection(asyncio.Protocol, sock=ours))
    server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
    loop.add_reader(other, int)
    loop.call_later(100, int)
    loop.call_soon(int)
"""

FORK = """
    loop = EventLoop()
    ours, peer = pair()

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport

        def data_received(self, data):
            self.transport.write(data)

    async def set_up():
        transport, _ = await loop.create_connection(Echo, sock=ours)
        return transport, await loop.create_server(Echo, "127.0.0.1", 0)

    async def check():
        peer.send(b"question")
        await asyncio.sleep(0.01)
        assert peer.recv(100) == b"question"
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"question")
        assert await reader.readexactly(8) == b"question"
        writer.close()
        await writer.wait_closed()

    transport, server = loop.run_until_complete(set_up())
    child = os.fork()
    if child == 0:
        warnings.simplefilter("ignore")
        {in_child}
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    loop.run_until_complete(check())
    server.close()
    transport.abort()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    peer.close()
"""

FORK_IN_CALLBACK = """
    loop = EventLoop()
    ours, peer = pair()
    received = []

    class Keeping(asyncio.Protocol):
        def data_received(self, data):
            received.append(data)
            if data == b"fork":
                fork(transport)

    def fork(transport):
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                warnings.simplefilter("ignore")
                transport.abort()
                loop.remove_reader(other)
                own = EventLoop()
                own.run_until_complete(asyncio.sleep(0.001))
                own.close()
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

    async def main():
        global transport
        transport, _ = await loop.create_connection(Keeping, sock=ours)
        loop.add_reader(other, lambda: received.append(other.recv(10)))
        peer.send(b"fork")
        await asyncio.sleep(0.01)
        peer.send(b"to the transport")
        other_peer.send(b"reader")
        await asyncio.sleep(0.01)
        transport.abort()
        loop.remove_reader(other)
        await asyncio.sleep(0.01)

    other, other_peer = pair()
    loop.run_until_complete(main())
    loop.close()
    for sock in (other, other_peer, peer):
        sock.close()
    assert sorted(received) == [b"fork", b"reader", b"to the transport"], received
"""

FORK_IN_AN_INNER_TURN = """
    loop = EventLoop()
    ours, peer = pair()
    seen = []

    def fork():
        child = os.fork()
        if child == 0:
            warnings.simplefilter("ignore")
            loop.remove_reader(ours)  # or the data is the child's
            loop.call_soon(int)
            loop._run_once()
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7

    def nest():
        loop.call_soon(fork)
        loop._run_once()

    def read():
        seen.append(ours.recv(10))
        loop.stop()

    loop.add_reader(ours, read)
    loop.call_soon(nest)
    loop.call_soon(peer.send, b"data")
    loop.call_later(30, loop.stop)
    loop.run_forever()
    assert seen == [b"data"], seen
    loop.remove_reader(ours)
    loop.close()
    ours.close()
    peer.close()
"""

PROGRAMS = {
    "fork_in_callback": FORK_IN_CALLBACK,
    "threads_during_close": THREADS_DURING_CLOSE,
    "nested_turns": NESTED_TURNS,
    "collector_at_every_step": COLLECTOR_AT_EVERY_STEP,
    "finalizers_that_use_the_loop": FINALIZERS_THAT_USE_THE_LOOP,
    "finalizers_that_turn_the_loop": FINALIZERS_THAT_TURN_THE_LOOP,
    "fork_in_an_inner_turn": FORK_IN_AN_INNER_TURN,
    "everything_open_at_exit": EVERYTHING_OPEN_AT_EXIT,
    "fork_then_child_closes_the_loop": FORK.format(in_child="loop.close()"),
    "fork_then_child_closes_transport_and_server": FORK.format(
        in_child="transport.abort(); server.close(); loop.run_until_complete(asyncio.sleep(0.01))"
    ),
    "fork_then_child_runs_the_loop_on": FORK.format(
        in_child="loop.run_until_complete(asyncio.sleep(0.001))"
    ),
    "fork_then_child_makes_its_own_loop": FORK.format(
        in_child="EventLoop().run_until_complete(asyncio.sleep(0.001))"
    ),
}


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_abuse_is_survived(program):
    run_abuse(program)
