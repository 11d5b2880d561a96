"""Doing the same over and over takes no more memory, and leaves nothing open."""

import asyncio
import gc
import sys

import pytest

from tests.support.leaks import needs_block_count
from tests.support.sockets import LOOPBACK, unix_pair
from tests.support.streams import address_of
from tests.support.tls import client_context, server_context, speak_no_tls

WARM_UP_ROUNDS = 50
ROUNDS = 300

# Blocks that the interpreter itself may take meanwhile; a leak takes at least one a round, and does
# so in every attempt.
NOISE = ROUNDS // 5
ATTEMPTS = 4


async def open_and_close_connections(rounds):
    async def answer(reader, writer):
        writer.write(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(answer, LOOPBACK, 0)
    async with server:
        for _ in range(rounds):
            reader, writer = await asyncio.open_connection(*address_of(server))
            writer.write(b"hello")
            assert await reader.read() == b"hello"
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.01)


async def open_and_close_tls_connections(rounds):
    async def answer(reader, writer):
        writer.write(await reader.read(100))
        writer.close()

    server = await asyncio.start_server(answer, LOOPBACK, 0, ssl=server_context())
    client = client_context()
    async with server:
        for number in range(rounds):
            reader, writer = await asyncio.open_connection(
                *address_of(server), ssl=client, server_hostname="localhost"
            )
            writer.write(b"hello")
            assert await reader.read(100) == b"hello"
            if number % 2:
                writer.close()
                await writer.wait_closed()
            else:
                writer.transport.abort()
        await asyncio.sleep(0.01)


async def fail_in_tls_handshakes(rounds):
    server = await asyncio.start_server(
        lambda reader, writer: None, LOOPBACK, 0, ssl=server_context()
    )
    async with server:
        for _ in range(rounds):
            await speak_no_tls(address_of(server))
        await asyncio.sleep(0.01)


async def set_and_cancel_timers(rounds):
    loop = asyncio.get_running_loop()
    for _ in range(rounds):
        for handle in [loop.call_later(1000 + n, print, n) for n in range(20)]:
            handle.cancel()
        await asyncio.sleep(0)


async def let_timers_fire(rounds):
    loop = asyncio.get_running_loop()
    for _ in range(rounds):
        for _ in range(10):
            loop.call_later(0, int)
        await asyncio.sleep(0)


async def watch_fds(rounds):
    loop = asyncio.get_running_loop()
    with unix_pair() as (ours, peer):
        for _ in range(rounds):
            receiving = asyncio.ensure_future(loop.sock_recv(ours, 10))
            await asyncio.sleep(0)
            peer.send(b"x")
            await receiving


async def let_callbacks_fail(rounds):
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    for _ in range(rounds):
        loop.call_soon(divmod, 1, 0)
        loop.call_later(0, divmod, 1, 0)
        await asyncio.sleep(0)


async def call_from_threads(rounds):
    loop = asyncio.get_running_loop()
    for _ in range(rounds):
        await loop.run_in_executor(None, loop.call_soon_threadsafe, int)


def loses_memory(loop_factory, work) -> bool:
    """Tell whether more blocks of memory are in use after the work than before."""

    def run(rounds):
        loop = loop_factory()
        loop.run_until_complete(work(rounds))
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
        del loop
        gc.collect()

    def blocks_taken():
        before = sys.getallocatedblocks()
        run(ROUNDS)
        return sys.getallocatedblocks() - before

    run(WARM_UP_ROUNDS)
    return all(blocks_taken() > NOISE for _ in range(ATTEMPTS))


@needs_block_count
@pytest.mark.parametrize(
    "work",
    [
        open_and_close_connections,
        open_and_close_tls_connections,
        fail_in_tls_handshakes,
        set_and_cancel_timers,
        let_timers_fire,
        watch_fds,
        let_callbacks_fail,
        call_from_threads,
    ],
    ids=lambda work: work.__name__,
)
def test_no_memory_is_lost(loop_factory, work):
    assert not loses_memory(loop_factory, work)


@needs_block_count
def test_no_memory_is_lost_by_loops(loop_factory):
    async def make_loops(rounds):
        for _ in range(rounds):
            inner = loop_factory()
            inner.call_soon(int)
            inner.call_later(1000, int)
            inner.close()

    assert not loses_memory(loop_factory, make_loops)
