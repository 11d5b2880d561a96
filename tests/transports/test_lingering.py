"""Lingering: an answer reaches a peer that is still sending."""

import asyncio

import pytest

from tests.probes.receiver import RecordingReceiver, linger
from tests.support.sockets import fill, receive, receive_until_eof, reset, tcp_pair, unix_pair
from tests.support.streams import connected
from tests.support.tls import tls_connection
from tests.support.waiting import turns, wait_until

LONG = 60.0  # seconds that no test waits for


def was_reset(peer):
    """Return whether the connection has ended with a reset."""
    try:
        while peer.recv(100):
            pass
    except ConnectionResetError:
        return True
    except BlockingIOError:
        return False
    raise AssertionError("an orderly end")


async def lost(protocol):
    await wait_until(lambda: "connection_lost" in protocol.calls)


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
async def test_a_peer_that_sends_on_gets_the_answer_and_the_end(pair):
    async with connected(RecordingReceiver, pair) as (transport, protocol, peer):
        peer.send(b"a request")
        await wait_until(lambda: protocol.received)
        peer.send(b"more of it")
        transport.write(b"answer")
        linger(transport, LONG, LONG)
        for _ in range(50):
            peer.send(bytes(1000))
            await turns(2)
        assert await receive_until_eof(peer) == b"answer"
        assert "connection_lost" not in protocol.calls
        peer.close()
        await lost(protocol)

    assert protocol.calls == ["connection_made", "receive", "connection_lost"]
    assert protocol.lost_with is None
    assert transport.is_closing()


async def test_close_alone_resets_the_connection():
    """What lingering is for: a reset destroys what the peer's kernel has not yet received."""
    async with connected(RecordingReceiver) as (transport, protocol, peer):
        transport.pause_reading()
        peer.send(b"a request")
        await turns(2)
        transport.write(b"answer")
        transport.close()
        await lost(protocol)
        await wait_until(lambda: was_reset(peer))


async def test_a_peer_that_has_ended_already_is_not_waited_for():
    async with connected(RecordingReceiver) as (transport, protocol, peer):
        protocol.keeps_open = True
        peer.shutdown(1)
        await wait_until(lambda: "eof_received" in protocol.calls)
        transport.write(b"answer")
        linger(transport, LONG, LONG)
        await lost(protocol)
        assert await receive_until_eof(peer) == b"answer"


async def test_a_peer_that_sends_too_much_is_cut_off():
    async with connected(RecordingReceiver) as (transport, protocol, peer):
        linger(transport, LONG, LONG, 10_000)
        peer.send(bytes(10_000))
        await turns(5)
        assert "connection_lost" not in protocol.calls
        peer.send(b"x")
        await lost(protocol)


async def test_a_quiet_peer_is_waited_for_as_long_as_was_said():
    async with connected(RecordingReceiver) as (transport, protocol, peer):
        linger(transport, 0.05, LONG)
        peer.send(b"data")
        await lost(protocol)


async def test_a_peer_that_never_stops_is_waited_for_as_long_as_was_said():
    async with connected(RecordingReceiver) as (transport, protocol, peer):
        linger(transport, LONG, 0.1)
        while "connection_lost" not in protocol.calls:
            try:
                peer.send(b"data")
            except (BrokenPipeError, ConnectionResetError):
                break
            await asyncio.sleep(0.005)
        await lost(protocol)


async def test_a_reset_ends_it():
    async with connected(RecordingReceiver) as (transport, protocol, peer):
        linger(transport, LONG, LONG)
        await turns(2)
        reset(peer)
        await lost(protocol)

    assert protocol.lost_with is None


async def test_output_that_waits_is_sent_before_our_half_ends():
    async with connected(RecordingReceiver, unix_pair) as (transport, protocol, peer):
        taken = fill(transport.get_extra_info("socket")._sock)
        transport.write(b"answer")
        linger(transport, LONG, LONG)
        peer.send(b"data")
        await turns(3)
        assert (await receive(peer, taken + 6))[taken:] == b"answer"
        assert await receive_until_eof(peer) == b""
        peer.close()
        await lost(protocol)


async def test_output_that_waits_is_sent_to_a_peer_that_ends_its_half_meanwhile():
    async with connected(RecordingReceiver, unix_pair) as (transport, protocol, peer):
        taken = fill(transport.get_extra_info("socket")._sock)
        transport.write(b"answer")
        linger(transport, LONG, LONG)
        peer.shutdown(1)
        await turns(3)
        assert (await receive(peer, taken + 6))[taken:] == b"answer"
        await lost(protocol)


async def test_a_paused_transport_lingers():
    async with connected(RecordingReceiver) as (transport, protocol, peer):
        transport.pause_reading()
        peer.send(b"data")
        await turns(2)
        linger(transport, LONG, LONG)
        assert await receive_until_eof(peer) == b""
        peer.close()
        await lost(protocol)


async def test_abort_ends_it():
    async with connected(RecordingReceiver) as (transport, protocol, _):
        linger(transport, LONG, LONG)
        linger(transport, LONG, LONG)
        transport.close()
        await turns(3)
        assert "connection_lost" not in protocol.calls
        transport.abort()
        await lost(protocol)


async def test_a_tls_peer_that_sends_on_gets_the_answer_and_the_end():
    async with tls_connection(RecordingReceiver) as (transport, protocol, server):
        server.closed = protocol.closed
        transport.write(b"a request")
        await wait_until(lambda: server.received)
        server.transport.pause_reading()
        transport.write(bytes(200_000))
        server.transport.write(b"answer")
        linger(server.transport, LONG, LONG)
        transport.write(bytes(200_000))
        await protocol.closed
        assert bytes(protocol.received) == b"answer"
        assert "eof_received" in protocol.calls
        await lost(server)

    assert server.lost_with is None
