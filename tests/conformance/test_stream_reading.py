"""How a stream transport hands on what it receives."""

import asyncio
import socket

import pytest

from tests.support.protocols import HalfOpenProtocol, RecordingProtocol
from tests.support.sockets import receive, reset, tcp_pair
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until


async def test_data_arrives_as_bytes():
    seen = []

    class Protocol(RecordingProtocol):
        def data_received(self, data):
            seen.append(data)

    async with connected(Protocol) as (_, _, peer):
        peer.send(b"hello")
        await wait_until(lambda: seen)

    assert seen == [b"hello"]
    assert type(seen[0]) is bytes


async def test_data_arrives_whole_and_in_order():
    data = bytes(range(256)) * 20_000
    loop = asyncio.get_running_loop()
    async with connected() as (_, protocol, peer):
        await loop.sock_sendall(peer, data)
        await wait_until(lambda: len(protocol.received) == len(data))

    assert protocol.received == data


async def test_at_most_256_kib_are_handed_over_at_once():
    sizes = []

    class Protocol(RecordingProtocol):
        def data_received(self, data):
            sizes.append(len(data))

    data = bytes(3_000_000)
    loop = asyncio.get_running_loop()
    async with connected(Protocol) as (transport, _, peer):
        transport.pause_reading()
        sending = asyncio.create_task(loop.sock_sendall(peer, data))
        await asyncio.wait([sending], timeout=0.05)
        transport.resume_reading()
        await sending
        await wait_until(lambda: sum(sizes) == len(data))

    assert max(sizes) <= 256 * 1024


async def test_connections_take_turns_when_each_has_much_to_read():
    order = []

    class Protocol(RecordingProtocol):
        def data_received(self, data):
            order.append(self)

    async with connected(Protocol) as one, connected(Protocol) as other:
        for transport, _, peer in (one, other):
            transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000
            )
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_000_000)
            transport.pause_reading()
        sent = [peer.send(bytes(2_000_000)) for _, _, peer in (one, other)]
        assert min(sent) > 3 * 256 * 1024
        for transport, _, _ in (one, other):
            transport.resume_reading()
        await wait_until(lambda: len(order) >= 4)

    assert set(order[:2]) == {one.protocol, other.protocol}
    assert set(order[2:4]) == {one.protocol, other.protocol}


async def test_reading_starts_after_connection_made():
    with tcp_pair() as (ours, peer):
        peer.send(b"early")
        transport, protocol = await asyncio.get_running_loop().create_connection(
            RecordingProtocol, sock=ours
        )
        await wait_until(lambda: protocol.received)
        transport.abort()
        await protocol.closed

    assert protocol.calls == ["connection_made", "data_received", "connection_lost"]


async def test_create_connection_returns_after_connection_made():
    async with connected() as (transport, protocol, _):
        assert protocol.calls == ["connection_made"]
        assert protocol.transport is transport


async def test_pausing_in_connection_made_holds_back_what_was_already_there():
    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.pause_reading()

    with tcp_pair() as (ours, peer):
        peer.send(b"early")
        transport, protocol = await asyncio.get_running_loop().create_connection(
            Protocol, sock=ours
        )
        await turns(5)
        assert protocol.calls == ["connection_made"]
        assert not transport.is_reading()

        transport.resume_reading()
        await wait_until(lambda: protocol.received == b"early")
        transport.abort()
        await protocol.closed


async def test_connection_made_that_raises_is_reported_and_reading_begins_all_the_same(reports):
    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            raise ZeroDivisionError

    async with connected(Protocol) as (transport, protocol, peer):
        assert isinstance(reports.pop()["exception"], ZeroDivisionError)
        assert not transport.is_closing()
        peer.send(b"hello")
        await wait_until(lambda: protocol.received == b"hello")


async def test_a_paused_transport_receives_nothing():
    async with connected() as (transport, protocol, peer):
        transport.pause_reading()
        peer.send(b"hello")
        await turns(5)
        assert protocol.received == b""

        transport.resume_reading()
        await wait_until(lambda: protocol.received == b"hello")


async def test_pausing_in_data_received_holds_back_what_follows():
    class Protocol(RecordingProtocol):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    async with connected(Protocol) as (transport, protocol, peer):
        peer.send(b"one")
        await wait_until(lambda: protocol.received == b"one")
        peer.send(b"two")
        await turns(5)
        assert protocol.received == b"one"

        transport.resume_reading()
        await wait_until(lambda: protocol.received == b"onetwo")


async def test_pausing_holds_back_the_rest_of_a_large_amount():
    class Protocol(RecordingProtocol):
        def data_received(self, data):
            super().data_received(data)
            self.transport.pause_reading()

    loop = asyncio.get_running_loop()
    data = bytes(range(256)) * 8_000
    async with connected(Protocol) as (transport, protocol, peer):
        sending = asyncio.create_task(loop.sock_sendall(peer, data))
        while len(protocol.received) < len(data):
            had = len(protocol.received)
            await wait_until(lambda had=had: len(protocol.received) > had)
            now = len(protocol.received)
            await turns(3)
            assert len(protocol.received) == now
            transport.resume_reading()
        await sending

    assert protocol.received == data


async def test_pause_and_resume_can_be_repeated():
    async with connected() as (transport, protocol, peer):
        for _ in range(3):
            transport.pause_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            transport.resume_reading()
            transport.resume_reading()
            assert transport.is_reading()
        peer.send(b"hello")
        await wait_until(lambda: protocol.received == b"hello")


async def test_pause_and_resume_around_every_message_lose_nothing():
    async with connected() as (transport, protocol, peer):
        for number in range(200):
            transport.pause_reading()
            peer.send(b"%03d" % number)
            if number % 3:
                await asyncio.sleep(0)
            transport.resume_reading()
            if number % 7:
                await asyncio.sleep(0)
        await wait_until(lambda: len(protocol.received) == 600)

    assert protocol.received == b"".join(b"%03d" % number for number in range(200))


async def test_pause_and_resume_of_a_closing_transport_do_nothing():
    async with connected() as (transport, protocol, _):
        transport.close()
        transport.pause_reading()
        transport.resume_reading()
        assert not transport.is_reading()
        await protocol.closed
        transport.pause_reading()
        transport.resume_reading()


async def test_end_of_stream_calls_eof_received_and_closes():
    async with connected() as (_, protocol, peer):
        peer.send(b"bye")
        peer.shutdown(socket.SHUT_WR)
        await protocol.closed

    assert protocol.calls == [
        "connection_made",
        "data_received",
        "eof_received",
        "connection_lost",
    ]
    assert protocol.lost_with is None


async def test_end_of_stream_leaves_the_transport_writable_if_eof_received_says_so():
    async with connected(HalfOpenProtocol) as (transport, protocol, peer):
        peer.shutdown(socket.SHUT_WR)
        await wait_until(lambda: "eof_received" in protocol.calls)
        await turns(3)
        assert not transport.is_closing()
        assert transport.is_reading()

        transport.write(b"still here")
        assert await receive(peer, 10) == b"still here"

    assert protocol.calls.count("eof_received") == 1


async def test_end_of_stream_is_not_noticed_while_paused():
    async with connected() as (transport, protocol, peer):
        transport.pause_reading()
        peer.shutdown(socket.SHUT_WR)
        await turns(5)
        assert "eof_received" not in protocol.calls

        transport.resume_reading()
        await protocol.closed

    assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]


async def test_data_sent_before_the_end_of_stream_arrives_before_it_after_a_pause():
    async with connected() as (transport, protocol, peer):
        transport.pause_reading()
        peer.send(b"last words")
        peer.shutdown(socket.SHUT_WR)
        await turns(5)
        transport.resume_reading()
        await protocol.closed

    assert protocol.received == b"last words"
    assert protocol.calls[-2:] == ["eof_received", "connection_lost"]


async def test_a_reset_by_the_peer_is_given_to_connection_lost():
    async with connected() as (_, protocol, peer):
        reset(peer)
        await protocol.closed

    assert isinstance(protocol.lost_with, ConnectionResetError)
    assert "eof_received" not in protocol.calls


@pytest.mark.parametrize(
    ("method", "provoke"),
    [
        ("data_received", lambda peer: peer.send(b"x")),
        ("eof_received", lambda peer: peer.shutdown(socket.SHUT_WR)),
    ],
    ids=["data_received", "eof_received"],
)
async def test_an_exception_of_the_protocol_is_reported_and_closes(method, provoke, reports):
    def fail(self, *_args):
        raise ZeroDivisionError(method)

    failing = type("Protocol", (RecordingProtocol,), {method: fail})

    async with connected(failing) as (transport, protocol, peer):
        provoke(peer)
        await protocol.closed
        report = reports.pop()
        assert report["message"] == f"Fatal error: protocol.{method}() call failed."
        assert report["exception"] is protocol.lost_with
        assert report["transport"] is transport
        assert report["protocol"] is protocol

    assert isinstance(protocol.lost_with, ZeroDivisionError)


async def test_an_oserror_of_the_protocol_closes_without_a_report():
    class Protocol(RecordingProtocol):
        def data_received(self, data):
            raise OSError("on purpose")

    async with connected(Protocol) as (_, protocol, peer):
        peer.send(b"x")
        await protocol.closed

    assert str(protocol.lost_with) == "on purpose"


async def test_nothing_more_is_received_after_data_received_has_raised(reports):
    class Protocol(RecordingProtocol):
        def data_received(self, data):
            super().data_received(data)
            peer.send(b"more")
            raise ZeroDivisionError

    async with connected(Protocol) as (_, protocol, peer):
        peer.send(b"x")
        await protocol.closed
        await turns(3)

    assert protocol.calls == ["connection_made", "data_received", "connection_lost"]
    reports.pop()
