"""Writes from several threads at once: each arrives whole, those of one thread in their order."""

import asyncio
import contextlib
import sys
import threading

import pytest

from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.streams import address_of, serving
from tests.support.tls import client_context, server_context
from tests.support.waiting import wait_until

THREADS = range(3)
MESSAGES = range(500)


@pytest.fixture
def eager_threads():
    """Let the interpreter switch threads as often as it can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@contextlib.asynccontextmanager
async def echoing_clients(count, **options):
    """Give clients of one server that echoes."""
    loop = asyncio.get_running_loop()
    protocols = []

    def factory():
        protocols.append(EchoProtocol())
        return protocols[-1]

    server_options = {"ssl": server_context()} if options else {}
    async with serving(factory, **server_options) as server:
        clients = [
            await loop.create_connection(RecordingProtocol, *address_of(server), **options)
            for _ in range(count)
        ]
        try:
            yield clients
        finally:
            for transport, protocol in clients:
                transport.abort()
                await protocol.closed
            for protocol in protocols:
                protocol.transport.abort()
                await protocol.closed


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("coalescing", [False, True], ids=["at_once", "coalescing"])
async def test_writes_of_several_threads_to_several_connections_arrive(
    eager_threads, tls, coalescing
):
    options = {"ssl": client_context(), "server_hostname": "localhost"} if tls else {}
    asyncio.get_running_loop().set_write_coalescing(coalescing)

    def write(thread):
        for number in MESSAGES:
            for transport, _ in clients:
                transport.write(b"%d:%04d;" % (thread, number))

    async with echoing_clients(2, **options) as clients:
        threads = [threading.Thread(target=write, args=(thread,)) for thread in THREADS]
        for thread in threads:
            thread.start()
        size = 7 * len(THREADS) * len(MESSAGES)
        await wait_until(lambda: all(len(protocol.received) == size for _, protocol in clients))
        for thread in threads:
            thread.join()

        for _, protocol in clients:
            messages = [m.split(":") for m in protocol.received.decode().split(";")[:-1]]
            for thread in THREADS:
                numbers = [int(number) for sender, number in messages if int(sender) == thread]
                assert numbers == list(MESSAGES)


async def test_a_large_tls_write_of_a_thread_may_be_closed_by_the_loop(eager_threads):
    options = {"ssl": client_context(), "server_hostname": "localhost"}
    async with echoing_clients(1, **options) as ((transport, protocol),):
        thread = threading.Thread(target=transport.write, args=(bytes(20_000_000),))
        thread.start()
        transport.close()
        thread.join()
        transport.abort()
        await protocol.closed

        assert protocol.calls.count("connection_lost") == 1
