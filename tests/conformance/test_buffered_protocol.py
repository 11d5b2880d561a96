"""BufferedProtocol: receiving into a buffer of the protocol's own."""

import asyncio
import socket

import pytest

from tests.support.protocols import RecordingBufferedProtocol, RecordingProtocol
from tests.support.sockets import reset
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until


async def test_data_is_received_into_the_buffer_of_the_protocol():
    async with connected(RecordingBufferedProtocol) as (_, protocol, peer):
        peer.send(b"hello")
        await wait_until(lambda: protocol.received == b"hello")

    assert protocol.calls == [("get_buffer", -1), ("buffer_updated", 5)]


async def test_no_more_is_received_than_the_buffer_holds():
    async with connected(lambda: RecordingBufferedProtocol(4)) as (_, protocol, peer):
        peer.send(b"hello world")
        await wait_until(lambda: protocol.received == b"hello world")

    updates = [size for name, size in protocol.calls if name == "buffer_updated"]
    assert updates == [4, 4, 3]


async def test_data_arrives_whole_and_in_order():
    data = bytes(range(256)) * 8_000
    loop = asyncio.get_running_loop()
    async with connected(lambda: RecordingBufferedProtocol(10_007)) as (_, protocol, peer):
        await loop.sock_sendall(peer, data)
        await wait_until(lambda: len(protocol.received) == len(data))

    assert protocol.received == data


async def test_get_buffer_may_return_a_memoryview():
    class Protocol(RecordingBufferedProtocol):
        def get_buffer(self, sizehint):
            return memoryview(self.buffer)[10:20]

        def buffer_updated(self, nbytes):
            self.received += self.buffer[10 : 10 + nbytes]

    async with connected(Protocol) as (_, protocol, peer):
        peer.send(b"hello")
        await wait_until(lambda: protocol.received == b"hello")


async def test_end_of_stream_calls_eof_received_and_closes():
    async with connected(RecordingBufferedProtocol) as (_, protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        await protocol.closed

    assert protocol.calls[-1] == ("eof_received", None)
    assert protocol.lost_with is None


async def test_a_reset_by_the_peer_is_given_to_connection_lost():
    async with connected(RecordingBufferedProtocol) as (_, protocol, peer):
        reset(peer)
        await protocol.closed

    assert isinstance(protocol.lost_with, ConnectionResetError)


async def test_pause_reading_holds_back_data():
    async with connected(RecordingBufferedProtocol) as (transport, protocol, peer):
        transport.pause_reading()
        peer.send(b"hello")
        await turns(5)
        assert protocol.received == b""

        transport.resume_reading()
        await wait_until(lambda: protocol.received == b"hello")


@pytest.mark.parametrize("method", ["get_buffer", "buffer_updated"])
async def test_an_exception_of_the_protocol_is_reported_and_closes(method, reports):
    def fail(self, _argument):
        raise ZeroDivisionError(method)

    failing = type("Protocol", (RecordingBufferedProtocol,), {method: fail})

    async with connected(failing) as (transport, protocol, peer):
        peer.send(b"x")
        await protocol.closed
        report = reports.pop()
        assert report["message"] == f"Fatal error: protocol.{method}() call failed."
        assert report["transport"] is transport
        assert report["protocol"] is protocol

    assert isinstance(protocol.lost_with, ZeroDivisionError)


async def test_an_empty_buffer_is_reported_and_closes(reports):
    async with connected(lambda: RecordingBufferedProtocol(0)) as (_, protocol, peer):
        peer.send(b"x")
        await protocol.closed

    assert str(protocol.lost_with) == "get_buffer() returned an empty buffer"
    assert reports.pop()["exception"] is protocol.lost_with


async def test_the_protocol_can_change_from_data_to_buffer_and_back():
    async with connected() as (transport, first, peer):
        peer.send(b"one")
        await wait_until(lambda: first.received == b"one")

        buffered = RecordingBufferedProtocol()
        transport.set_protocol(buffered)
        peer.send(b"two")
        await wait_until(lambda: buffered.received == b"two")

        last = RecordingProtocol()
        transport.set_protocol(last)
        peer.send(b"three")
        await wait_until(lambda: last.received == b"three")


async def test_the_protocol_can_become_buffered_inside_data_received():
    buffered = RecordingBufferedProtocol()

    class Protocol(RecordingProtocol):
        def data_received(self, data):
            super().data_received(data)
            self.transport.set_protocol(buffered)

    async with connected(Protocol) as (_, first, peer):
        peer.send(b"one")
        await wait_until(lambda: first.received == b"one")
        peer.send(b"two")
        await wait_until(lambda: buffered.received == b"two")


async def test_a_protocol_that_only_has_the_methods_is_not_buffered():
    class Protocol(RecordingProtocol):
        def get_buffer(self, sizehint):
            raise AssertionError("BufferedProtocol is chosen by class")

        def buffer_updated(self, nbytes):
            raise AssertionError("BufferedProtocol is chosen by class")

    async with connected(Protocol) as (_, protocol, peer):
        peer.send(b"hello")
        await wait_until(lambda: protocol.received == b"hello")


async def test_the_buffer_may_be_resized_between_two_reads():
    class Protocol(RecordingBufferedProtocol):
        def get_buffer(self, sizehint):
            self.buffer = bytearray(len(self.received) + 1)
            return self.buffer

    async with connected(Protocol) as (_, protocol, peer):
        peer.send(b"hello world")
        await wait_until(lambda: protocol.received == b"hello world")


async def test_the_transport_holds_no_view_of_the_buffer_after_buffer_updated():
    async with connected(RecordingBufferedProtocol) as (_, protocol, peer):
        peer.send(b"hello")
        await wait_until(lambda: protocol.received == b"hello")
        protocol.buffer.extend(b"resizing an exported bytearray raises BufferError")
