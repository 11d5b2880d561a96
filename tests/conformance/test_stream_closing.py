"""close, abort and connection_lost of a stream transport."""

import asyncio
import gc
import socket
import weakref

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import receive_until_eof, tcp_pair
from tests.support.streams import connected
from tests.support.waiting import DEADLINE, turns, wait_until

LARGE = bytes(range(256)) * 16_000

CLOSE = pytest.mark.parametrize("method", ["close", "abort"])


@CLOSE
async def test_connection_lost_is_called_once_in_a_later_turn(method):
    async with connected() as (transport, protocol, _):
        getattr(transport, method)()
        assert transport.is_closing()
        assert "connection_lost" not in protocol.calls

        await protocol.closed
        getattr(transport, method)()
        await turns(3)

    assert protocol.calls == ["connection_made", "connection_lost"]
    assert protocol.lost_with is None


@CLOSE
async def test_closing_can_be_repeated(method):
    async with connected() as (transport, protocol, _):
        for _ in range(3):
            getattr(transport, method)()
        await protocol.closed
        for _ in range(3):
            getattr(transport, method)()
        await turns(3)

    assert protocol.calls == ["connection_made", "connection_lost"]


@CLOSE
async def test_closing_once_more_after_everything_was_sent_does_nothing(method):
    if method == "abort" and is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio's abort raises AttributeError then")
    async with connected() as (transport, protocol, peer):
        transport.write(LARGE)
        transport.close()
        await receive_until_eof(peer)
        await protocol.closed
        getattr(transport, method)()
        await turns(3)

    assert protocol.calls.count("connection_lost") == 1


@CLOSE
async def test_the_peer_sees_the_end_of_stream(method):
    async with connected() as (transport, _, peer):
        getattr(transport, method)()
        assert await receive_until_eof(peer) == b""


async def test_close_sends_what_was_written_first():
    async with connected() as (transport, protocol, peer):
        transport.write(LARGE)
        transport.write(b"bye")
        transport.close()
        assert await receive_until_eof(peer) == LARGE + b"bye"
        await protocol.closed

    assert protocol.lost_with is None


async def test_connection_lost_waits_until_close_has_sent_everything():
    async with connected() as (transport, protocol, peer):
        transport.write(LARGE)
        transport.close()
        await turns(5)
        assert "connection_lost" not in protocol.calls
        assert transport.get_write_buffer_size() > 0

        await receive_until_eof(peer)
        await protocol.closed


async def test_abort_drops_what_was_not_sent():
    async with connected() as (transport, protocol, peer):
        transport.write(LARGE)
        transport.abort()
        assert transport.get_write_buffer_size() == 0
        await protocol.closed
        assert len(await receive_until_eof(peer)) < len(LARGE)


async def test_abort_while_close_is_still_sending_ends_it():
    async with connected() as (transport, protocol, _):
        transport.write(LARGE)
        transport.close()
        await turns(2)
        assert "connection_lost" not in protocol.calls
        transport.abort()
        await protocol.closed

    assert protocol.lost_with is None


async def test_a_closing_transport_receives_nothing_more():
    async with connected() as (transport, protocol, peer):
        transport.write(LARGE)
        transport.close()
        assert not transport.is_reading()
        peer.send(b"too late")
        await turns(5)
        assert protocol.received == b""


async def test_closing_in_data_received_is_fine():
    class Protocol(RecordingProtocol):
        def data_received(self, data):
            super().data_received(data)
            self.transport.write(b"bye")
            self.transport.close()

    async with connected(Protocol) as (_, protocol, peer):
        peer.send(b"x")
        assert await receive_until_eof(peer) == b"bye"
        await protocol.closed

    assert protocol.calls == ["connection_made", "data_received", "connection_lost"]


@CLOSE
async def test_closing_in_connection_made_is_fine(method):
    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            getattr(transport, method)()

    async with connected(Protocol) as (_, protocol, peer):
        assert await receive_until_eof(peer) == b""
        await protocol.closed

    assert protocol.calls == ["connection_made", "connection_lost"]


async def test_the_socket_is_still_open_in_connection_lost_and_closed_after_it():
    seen = []

    class Protocol(RecordingProtocol):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            seen.append(self.transport.get_extra_info("socket").fileno())

    with tcp_pair() as (ours, _):
        fd = ours.fileno()
        transport, protocol = await asyncio.get_running_loop().create_connection(
            Protocol, sock=ours
        )
        transport.close()
        await protocol.closed
        assert seen == [fd]
        await wait_until(lambda: ours.fileno() == -1, "the socket to be closed")


async def test_get_protocol_is_none_once_the_connection_is_lost():
    async with connected() as (transport, protocol, _):
        assert transport.get_protocol() is protocol
        transport.close()
        assert transport.get_protocol() is protocol
        await protocol.closed
        await turns(2)
        assert transport.get_protocol() is None


async def test_a_lost_connection_frees_transport_and_protocol():
    async with connected() as (transport, protocol, _):
        gone = weakref.ref(transport), weakref.ref(protocol)
        transport.close()
        await protocol.closed
        protocol.transport = None
    del transport, protocol
    await turns(2)
    gc.collect()

    assert [reference() for reference in gone] == [None, None]


async def test_an_exception_of_connection_lost_is_reported_and_the_socket_closed(reports):
    class Protocol(RecordingProtocol):
        def connection_lost(self, exc):
            super().connection_lost(exc)
            raise ZeroDivisionError

    async with connected(Protocol) as (transport, protocol, peer):
        transport.close()
        await protocol.closed
        assert await receive_until_eof(peer) == b""

    assert isinstance(reports.pop()["exception"], ZeroDivisionError)


async def test_a_peer_that_goes_away_while_close_is_sending_ends_the_connection():
    async with connected() as (transport, protocol, peer):
        transport.write(LARGE)
        transport.close()
        await turns(2)
        peer.close()
        await protocol.closed

    assert isinstance(protocol.lost_with, OSError)


async def test_methods_of_a_lost_transport_do_no_harm():
    async with connected() as (transport, protocol, _):
        transport.close()
        await protocol.closed
        await turns(2)

        assert transport.is_closing()
        assert not transport.is_reading()
        assert transport.get_write_buffer_size() == 0
        assert transport.get_extra_info("sockname") is not None
        assert transport.get_extra_info("socket").fileno() == -1
        transport.write(b"x")
        transport.pause_reading()
        transport.resume_reading()
        transport.close()
        transport.abort()
        assert "closed" in repr(transport)


async def test_a_paused_connection_nobody_refers_to_is_kept():
    loop = asyncio.get_running_loop()
    if is_stdlib(loop):
        pytest.skip("asyncio lets the collector close it, for only its reader kept it alive")

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport):
            transport.pause_reading()

    with tcp_pair() as (ours, peer):
        await loop.create_connection(Protocol, sock=socket.socket(fileno=ours.detach()))
        gc.collect()
        await turns(3)
        with pytest.raises(BlockingIOError):
            peer.recv(1)
        peer.close()

    for transport in [o for o in gc.get_objects() if isinstance(o, asyncio.Transport)]:
        transport.abort()
    await turns(2)


def test_a_transport_open_when_its_loop_is_closed_and_dropped_warns(loop_factory):
    async def open_connection(sock):
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=sock)

    def leave_open():
        loop = loop_factory()
        with tcp_pair() as (ours, peer):
            loop.run_until_complete(open_connection(ours))
            loop.close()
            del loop
            gc.collect()
            peer.settimeout(DEADLINE)
            assert peer.recv(1) == b""

    with pytest.warns(ResourceWarning, match="unclosed transport"):
        leave_open()
