"""A stream transport whose protocol is exchanged, patched, or lacks a method."""

import asyncio
import socket

from tests.support.protocols import RecordingProtocol
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until


async def test_set_protocol_redirects_what_arrives_next():
    async with connected() as (transport, first, peer):
        peer.send(b"one")
        await wait_until(lambda: first.received == b"one")
        second = RecordingProtocol()
        transport.set_protocol(second)
        assert transport.get_protocol() is second
        peer.send(b"two")
        await wait_until(lambda: second.received == b"two")
        transport.close()
        await second.closed

    assert first.received == b"one"
    assert first.calls == ["connection_made", "data_received"]
    assert second.calls == ["data_received", "connection_lost"]


async def test_set_protocol_inside_data_received_redirects_what_arrives_next():
    second = RecordingProtocol()

    class Protocol(RecordingProtocol):
        def data_received(self, data):
            super().data_received(data)
            self.transport.set_protocol(second)

    async with connected(Protocol) as (_, first, peer):
        peer.send(b"one")
        await wait_until(lambda: first.received == b"one")
        peer.send(b"two")
        await wait_until(lambda: second.received == b"two")

    assert first.received == b"one"


async def test_methods_of_a_protocol_can_be_replaced_while_it_is_connected():
    seen = []
    async with connected() as (_, protocol, peer):
        peer.send(b"one")
        await wait_until(lambda: protocol.received == b"one")
        protocol.data_received = seen.append
        peer.send(b"two")
        await wait_until(lambda: seen == [b"two"])
        protocol.eof_received = lambda: seen.append("eof")
        peer.shutdown(socket.SHUT_WR)
        await wait_until(lambda: seen[-1] == "eof")
        await protocol.closed

    assert protocol.received == b"one"


async def test_a_protocol_that_lacks_data_received_is_reported_and_closes(reports):
    class Protocol(asyncio.BaseProtocol):
        pass

    async with connected(Protocol) as (transport, _, peer):
        peer.send(b"x")
        await wait_until(transport.is_closing)
        await turns(2)

    assert isinstance(reports.pop()["exception"], AttributeError)
