"""How TLS connections end: goodbyes, half-closed streams, time-outs, errors."""

import asyncio
import contextlib
import gc
import logging
import re
import socket
import ssl
import sys
import weakref

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.sockets import receive_until_eof, reset, tcp_pair
from tests.support.tls import DAMAGED_RECORD, server_context, tls_connection
from tests.support.tlspeer import TlsPeer
from tests.support.waiting import turns, wait_until

LARGE = bytes(range(256)) * 8_000


@contextlib.asynccontextmanager
async def accepted(protocol_factory=RecordingProtocol, **options):
    """Give a server's transport, its protocol and a peer that the test drives."""
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, peer_socket):
        accepting = asyncio.create_task(
            loop.connect_accepted_socket(protocol_factory, ours, ssl=server_context(), **options)
        )
        peer = TlsPeer(peer_socket, server_side=False)
        await peer.handshake()
        transport, protocol = await accepting
        try:
            yield transport, protocol, peer
        finally:
            transport.abort()
            await wait_until(lambda: ours.fileno() == -1, "the transport to close its socket")
            await turns(3)


async def test_close_says_goodbye_and_waits_for_the_peers():
    async with accepted() as (transport, protocol, peer):
        transport.write(b"last words")
        transport.close()
        assert transport.is_closing()
        assert await peer.receive_goodbye() == b"last words"
        await turns(5)
        assert "connection_lost" not in protocol.calls
        peer.say_goodbye()
        await protocol.closed

    assert protocol.calls == ["connection_made", "eof_received", "connection_lost"]
    assert protocol.lost_with is None


async def test_close_a_second_time_changes_nothing():
    async with accepted() as (transport, protocol, peer):
        transport.close()
        transport.close()
        await peer.receive_goodbye()
        peer.say_goodbye()
        await protocol.closed

    assert protocol.calls.count("connection_lost") == 1


async def test_the_peers_goodbye_is_an_end_of_stream_and_is_answered():
    async with accepted() as (_transport, protocol, peer):
        peer.send(b"hello")
        peer.say_goodbye()
        assert await peer.receive_goodbye() == b""
        await protocol.closed

    assert protocol.received == b"hello"
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]
    assert protocol.lost_with is None


async def test_what_the_protocol_writes_at_the_end_of_the_stream_is_sent():
    class Protocol(RecordingProtocol):
        def eof_received(self):
            super().eof_received()
            self.transport.write(b"and goodbye")

    async with accepted(Protocol) as (_, protocol, peer):
        peer.say_goodbye()
        assert await peer.receive_goodbye() == b"and goodbye"
        await protocol.closed


async def test_a_protocol_cannot_keep_a_tls_connection_half_open(caplog):
    class Protocol(RecordingProtocol):
        def eof_received(self):
            super().eof_received()
            return True

    async with accepted(Protocol) as (_, protocol, peer):
        peer.say_goodbye()
        await protocol.closed

    expected = "returning true from eof_received() has no effect when using ssl"
    assert [record.getMessage() for record in caplog.records] == [expected]


async def test_an_exception_of_eof_received_is_reported(reports):
    class Protocol(RecordingProtocol):
        def eof_received(self):
            raise ZeroDivisionError

    async with accepted(Protocol) as (_, protocol, peer):
        peer.say_goodbye()
        await protocol.closed

    report = reports.pop()
    assert report["message"] == "Error calling eof_received()"
    assert isinstance(report["exception"], ZeroDivisionError)
    assert isinstance(protocol.lost_with, ZeroDivisionError)


async def test_the_end_of_the_stream_below_is_an_end_of_stream():
    async with accepted() as (_, protocol, peer):
        peer.send(b"hello")
        peer.sock.shutdown(socket.SHUT_WR)
        await protocol.closed

    assert protocol.received == b"hello"
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]
    assert protocol.lost_with is None


async def test_a_paused_protocol_gets_the_rest_and_the_end_when_it_resumes():
    async with accepted() as (transport, protocol, peer):
        transport.pause_reading()
        peer.send(b"hello")
        peer.sock.shutdown(socket.SHUT_WR)
        await turns(20)
        assert protocol.calls == ["connection_made"]
        transport.resume_reading()
        await protocol.closed

    assert protocol.received == b"hello"
    assert protocol.calls == ["connection_made", "data_received", "eof_received", "connection_lost"]


async def test_a_paused_protocol_that_closes_after_the_end_is_not_forgotten():
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio does nothing until resume_reading(), and has no time-out")
    async with accepted() as (transport, protocol, peer):
        transport.pause_reading()
        peer.sock.shutdown(socket.SHUT_WR)
        await turns(20)
        transport.close()
        await protocol.closed


async def test_a_reset_ends_the_connection_with_its_error():
    async with accepted() as (_, protocol, peer):
        reset(peer.sock)
        await protocol.closed

    assert isinstance(protocol.lost_with, ConnectionResetError)
    assert "eof_received" not in protocol.calls


async def test_a_peer_that_never_says_goodbye_is_cut_off():
    async with accepted(ssl_shutdown_timeout=0.01) as (transport, protocol, peer):
        transport.close()
        await protocol.closed
        assert await receive_until_eof(peer.sock)

    assert isinstance(protocol.lost_with, TimeoutError)
    assert str(protocol.lost_with) == "SSL shutdown timed out"


@pytest.mark.parametrize("close_first", [True, False], ids=["after_our_close", "before_any_close"])
@pytest.mark.parametrize("end", ["end_of_stream", "goodbye"])
async def test_a_peer_that_ends_its_half_but_reads_nothing_is_cut_off(end, close_first):
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info < (3, 14, 10):
        pytest.skip("asyncio waits for ever")
    async with accepted(ssl_shutdown_timeout=0.05) as (transport, protocol, peer):
        transport.write(LARGE * 4)
        if close_first:
            transport.close()
        if end == "goodbye":
            peer.say_goodbye()
        else:
            peer.sock.shutdown(socket.SHUT_WR)
        await protocol.closed

    assert isinstance(protocol.lost_with, TimeoutError)
    assert str(protocol.lost_with) == "SSL shutdown timed out"


async def test_data_after_our_goodbye_ends_the_connection_with_an_error():
    async with accepted() as (transport, protocol, peer):
        transport.close()
        peer.send(b"too late")
        await protocol.closed

    assert isinstance(protocol.lost_with, ssl.SSLError)
    assert protocol.lost_with.reason == "APPLICATION_DATA_AFTER_CLOSE_NOTIFY"
    assert protocol.received == b""


async def test_a_damaged_record_ends_the_connection_with_its_error(reports):
    async with accepted() as (_, protocol, peer):
        damaged = bytearray(peer.ciphertext(b"hello"))
        damaged[-1] ^= 1
        peer.sock.send(damaged)
        await protocol.closed

    assert isinstance(protocol.lost_with, ssl.SSLError)
    assert re.fullmatch(DAMAGED_RECORD, protocol.lost_with.reason)
    assert protocol.received == b""
    assert reports == []  # an SSLError is an OSError: the network's affair


async def test_plain_bytes_in_a_tls_connection_end_it():
    async with accepted() as (_, protocol, peer):
        peer.sock.send(b"please corrupt the connection")
        await protocol.closed

    assert isinstance(protocol.lost_with, ssl.SSLError)


async def test_errors_of_the_network_are_logged_in_debug_mode(caplog):
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    with caplog.at_level(logging.DEBUG, "asyncio"):
        async with accepted() as (_, protocol, peer):
            peer.sock.send(b"please corrupt the connection")
            await protocol.closed

    texts = [record.getMessage() for record in caplog.records]
    assert any(text.endswith(": Fatal error on SSL protocol") for text in texts)


async def test_writing_to_a_closed_connection_is_ignored_and_in_the_end_logged(caplog):
    async with accepted() as (transport, protocol, _peer):
        transport.abort()
        await protocol.closed
        for _ in range(10):
            transport.write(b"nobody hears this")

    texts = {record.getMessage() for record in caplog.records}
    assert texts == {"SSL connection is closed"}


async def test_close_during_a_shutdown_of_much_data_sends_it_all():
    async with tls_connection(RecordingProtocol) as (transport, protocol, server_side):
        server_side.transport.pause_reading()
        transport.write(LARGE * 4)
        transport.close()
        await turns(20)
        server_side.transport.resume_reading()
        await server_side.closed
        await protocol.closed

    assert server_side.received == LARGE * 4
    assert protocol.lost_with is None


async def test_data_received_may_close_and_abort():
    class Protocol(RecordingProtocol):
        def data_received(self, data):
            super().data_received(data)
            self.transport.close()
            self.transport.abort()

    async with accepted(Protocol) as (_, protocol, peer):
        peer.send(b"hello")
        await protocol.closed

    assert protocol.calls == ["connection_made", "data_received", "connection_lost"]


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt])
def test_exceptions_that_end_programs_rise(loop, exception):
    class Protocol(RecordingProtocol):
        def data_received(self, data):
            raise exception

    async def run():
        async with accepted(Protocol) as (_, _, peer):
            peer.send(b"hello")
            await asyncio.sleep(10)

    with pytest.raises(exception):
        loop.run_until_complete(run())
    for task in asyncio.all_tasks(loop):
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            loop.run_until_complete(task)


async def test_is_closing_is_true_when_the_transport_below_closes(request):
    loop = asyncio.get_running_loop()
    if is_stdlib(loop):
        pytest.skip("asyncio since 3.12.8 and 3.13.1")
    async with accepted() as (transport, protocol, _):
        transport._ssl_protocol._transport.close()
        assert transport.is_closing()
        await protocol.closed


async def test_the_addresses_stay_known_when_the_connection_is_lost():
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio forgets them, before the protocol hears of the loss")
    async with accepted() as (transport, protocol, _):
        address = transport.get_extra_info("peername")
        transport.abort()
        await protocol.closed
        assert address is not None
        assert transport.get_extra_info("peername") == address
        assert transport.get_extra_info("cipher")


async def test_no_cycle_keeps_a_closed_connection_alive():
    gc.collect()
    gc.disable()
    try:
        context = server_context()
        async with tls_connection(EchoProtocol, server=context) as (transport, protocol, peer):
            transport.write(b"hello")
            await wait_until(lambda: protocol.received)
            ssl_objects = [
                weakref.ref(end.get_extra_info("ssl_object")) for end in (transport, peer.transport)
            ]
            transport.close()
            await protocol.closed
            await peer.closed
            transport_reference = weakref.ref(transport)
        protocol.transport = peer.transport = None
        del transport
        await turns(5)
        assert transport_reference() is None
        assert [reference() for reference in ssl_objects] == [None, None]
    finally:
        gc.enable()


def test_a_transport_that_nobody_closed_warns(loop):
    async def connect():
        with tcp_pair() as (ours, peer_socket):
            connecting = asyncio.create_task(
                loop.connect_accepted_socket(RecordingProtocol, ours.dup(), ssl=server_context())
            )
            await TlsPeer(peer_socket, server_side=False).handshake()
            await connecting

    loop.run_until_complete(connect())
    loop.close()
    with pytest.warns(ResourceWarning, match="unclosed") as warned:
        gc.collect()

    assert any("unclosed transport <" in str(warning.message) for warning in warned)


async def test_much_output_for_a_lost_peer_is_dropped_without_a_word(caplog):
    async with accepted() as (transport, protocol, peer):
        reset(peer.sock)
        transport.write(LARGE * 4)
        await protocol.closed

    assert caplog.records == []
