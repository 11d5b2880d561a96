"""In which context a loop calls what it was given."""

import asyncio
import contextvars
import sys

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import LOOPBACK
from tests.support.streams import address_of, connected
from tests.support.waiting import turns, wait_until

variable = contextvars.ContextVar("variable", default="unset")


class ContextProtocol(RecordingProtocol):
    """Record the value of `variable` in every callback."""

    def __init__(self):
        super().__init__()
        self.seen = {}

    def connection_made(self, transport):
        super().connection_made(transport)
        self.seen["connection_made"] = variable.get()

    def data_received(self, data):
        super().data_received(data)
        self.seen["data_received"] = variable.get()

    def eof_received(self):
        super().eof_received()
        self.seen["eof_received"] = variable.get()

    def pause_writing(self):
        super().pause_writing()
        self.seen["pause_writing"] = variable.get()

    def connection_lost(self, exc):
        super().connection_lost(exc)
        self.seen["connection_lost"] = variable.get()


async def in_new_context(value, function, *args):
    """Set `variable` and await `function(*args)` in a task, hence in a context, of its own."""

    async def call():
        variable.set(value)
        return await function(*args)

    return await asyncio.create_task(call())


@pytest.mark.parametrize("schedule", ["call_soon", "call_soon_threadsafe", "call_later"])
async def test_a_callback_runs_in_a_copy_of_the_context_it_was_scheduled_in(schedule):
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    delay = (0,) if schedule == "call_later" else ()

    def callback():
        seen = variable.get()
        variable.set("by the callback")
        done.set_result(seen)

    variable.set("when scheduled")
    getattr(loop, schedule)(*delay, callback)
    variable.set("afterwards")

    assert await done == "when scheduled"
    assert variable.get() == "afterwards"


async def test_a_server_calls_its_protocols_in_the_context_it_was_created_in():
    loop = asyncio.get_running_loop()
    protocols = []

    def factory():
        protocols.append(ContextProtocol())
        return protocols[-1]

    server = await in_new_context("server", loop.create_server, factory, LOOPBACK, 0)
    async with server:
        _, writer = await in_new_context("client", asyncio.open_connection, *address_of(server))
        writer.write(b"x")
        await wait_until(lambda: protocols and protocols[0].received)
        writer.write_eof()
        await protocols[0].closed
        writer.close()
        await writer.wait_closed()

    assert protocols[0].seen == dict.fromkeys(
        ("connection_made", "data_received", "eof_received", "connection_lost"), "server"
    )


async def test_a_client_calls_its_protocol_in_the_context_it_was_created_in():
    loop = asyncio.get_running_loop()
    peers = []
    server = await asyncio.start_server(lambda _, writer: peers.append(writer), LOOPBACK, 0)
    async with server:
        _, protocol = await in_new_context(
            "client", loop.create_connection, ContextProtocol, *address_of(server)
        )
        await wait_until(lambda: peers)
        peers[0].write(b"x")
        await wait_until(lambda: protocol.received)
        peers[0].close()
        await protocol.closed
        await peers[0].wait_closed()

    assert protocol.seen == dict.fromkeys(
        ("connection_made", "data_received", "eof_received", "connection_lost"), "client"
    )


async def test_data_received_keeps_its_context_when_another_task_resumes_reading():
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info < (3, 15):
        pytest.skip("asyncio takes the context of whoever resumes reading, before Python 3.15")
    variable.set("owner")
    async with connected(ContextProtocol) as (transport, protocol, peer):

        async def resume():
            transport.pause_reading()
            await turns(1)
            transport.resume_reading()

        await in_new_context("stranger", resume)
        peer.send(b"x")
        await wait_until(lambda: protocol.received)

    assert protocol.seen["data_received"] == "owner"


async def test_connection_lost_keeps_its_context_when_another_task_closes():
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info < (3, 15):
        pytest.skip("asyncio takes the context of whoever closes, before Python 3.15")
    variable.set("owner")
    async with connected(ContextProtocol) as (transport, protocol, _):

        async def close():
            transport.close()

        await in_new_context("stranger", close)
        await protocol.closed

    assert protocol.seen["connection_lost"] == "owner"


async def test_what_one_callback_of_a_connection_sets_the_next_one_sees():
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info < (3, 15):
        pytest.skip("asyncio copies the context for each callback, before Python 3.15")

    class Protocol(ContextProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            variable.set("by connection_made")

    async with connected(Protocol) as (_, protocol, peer):
        peer.send(b"x")
        await wait_until(lambda: protocol.received)

    assert protocol.seen["data_received"] == "by connection_made"
    assert variable.get() == "unset"


async def test_connections_of_one_server_do_not_share_a_context():
    loop = asyncio.get_running_loop()
    protocols = []

    class Protocol(ContextProtocol):
        def __init__(self):
            super().__init__()
            protocols.append(self)

        def data_received(self, data):
            super().data_received(data)
            variable.set(data)

    async with await loop.create_server(Protocol, LOOPBACK, 0) as server:
        writers = []
        for message in (b"one", b"two"):
            _, writer = await asyncio.open_connection(*address_of(server))
            writer.write(message)
            writers.append(writer)
            await wait_until(lambda: len(protocols) == len(writers) and protocols[-1].received)
        assert [protocol.seen["data_received"] for protocol in protocols] == ["unset"] * 2
        for writer in writers:
            writer.close()
            await writer.wait_closed()
        for protocol in protocols:
            await protocol.closed


async def test_run_in_executor_does_not_hand_on_the_context_but_to_thread_does():
    variable.set("caller")

    assert await asyncio.get_running_loop().run_in_executor(None, variable.get) == "unset"
    assert await asyncio.to_thread(variable.get) == "caller"
