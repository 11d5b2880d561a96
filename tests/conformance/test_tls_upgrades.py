"""start_tls(): in the middle of a stream, over foreign transports, TLS in TLS."""

import asyncio
import contextlib
import socket
import sys

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import EchoProtocol, RecordingBufferedProtocol, RecordingProtocol
from tests.support.sockets import LOOPBACK, tcp_pair, unix_pair
from tests.support.streams import address_of, connected
from tests.support.tls import client_context, server_context
from tests.support.tlspeer import TlsPeer
from tests.support.waiting import turns, wait_until

LARGE = bytes(range(256)) * 8_000


@contextlib.asynccontextmanager
async def upgraded(transport, protocol, peer_socket):
    """Give a TLS transport on a connected one, and the peer, which the test drives."""
    upgrading = asyncio.create_task(
        asyncio.get_running_loop().start_tls(
            transport, protocol, server_context(), server_side=True
        )
    )
    peer = TlsPeer(peer_socket, server_side=False)
    await peer.handshake()
    tls = await upgrading
    try:
        yield tls, peer
    finally:
        tls.abort()
        await protocol.closed


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair])
async def test_a_connection_is_upgraded_after_plain_data(pair):
    async with connected(RecordingProtocol, pair) as (transport, protocol, peer_socket):
        peer_socket.send(b"plain")
        await wait_until(lambda: protocol.received == b"plain")
        async with upgraded(transport, protocol, peer_socket) as (tls, peer):
            peer.send(b" secret")
            await wait_until(lambda: protocol.received == b"plain secret")
            tls.write(b"answer")
            assert await peer.receive(6) == b"answer"

    assert protocol.calls.count("connection_made") == 1


async def test_a_buffered_protocol_is_upgraded():
    async with connected(RecordingBufferedProtocol) as (transport, protocol, peer_socket):
        peer_socket.send(b"plain")
        await wait_until(lambda: protocol.received == b"plain")
        async with upgraded(transport, protocol, peer_socket) as (_, peer):
            peer.send(b" secret")
            await wait_until(lambda: protocol.received == b"plain secret")


async def test_what_was_written_before_the_upgrade_is_sent_first_and_plain():
    async with connected() as (transport, protocol, peer_socket):
        transport.write(b"220 go ahead\r\n")
        upgrading = asyncio.create_task(
            asyncio.get_running_loop().start_tls(
                transport, protocol, server_context(), server_side=True
            )
        )
        received = bytearray()

        def answered():
            with contextlib.suppress(BlockingIOError):
                received.extend(peer_socket.recv(100))
            return received

        await wait_until(answered)
        assert received == b"220 go ahead\r\n"
        await TlsPeer(peer_socket, server_side=False).handshake()
        tls = await upgrading
        tls.abort()
        await protocol.closed


async def test_a_protocol_that_was_paused_before_the_upgrade_is_resumed_after_it():
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio forgets it, and its own assertion fails")
    async with connected() as (transport, protocol, peer_socket):
        while "pause_writing" not in protocol.calls:
            transport.write(bytes(100_000))
        upgrading = asyncio.create_task(
            asyncio.get_running_loop().start_tls(
                transport, protocol, client_context(), server_hostname="localhost"
            )
        )
        await turns(3)

        def drained():
            with contextlib.suppress(BlockingIOError):
                peer_socket.recv(1_000_000)
            return "resume_writing" in protocol.calls

        await wait_until(drained)
        upgrading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await upgrading


async def test_what_a_servers_reader_has_read_of_the_handshake_is_not_lost():
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info < (3, 14, 3):
        pytest.skip("asyncio since 3.14.3")
    lines = []

    async def serve(reader, writer):
        lines.append(await reader.readline())
        await writer.start_tls(server_context())
        lines.append(await reader.readline())
        writer.write(b"answer\n")
        await writer.drain()
        writer.close()
        with contextlib.suppress(Exception):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, LOOPBACK, 0) as server:
        with socket.create_connection(address_of(server)) as sock:
            sock.setblocking(False)
            peer = TlsPeer(sock, server_side=False)
            with contextlib.suppress(BlockingIOError):
                try:
                    peer.ssl_object.do_handshake()
                except OSError:  # it wants more
                    sock.send(b"PROXY TCP4\r\n" + peer.outgoing.read())
            await peer.handshake()
            peer.send(b"question\n")
            assert await peer.receive(7) == b"answer\n"
            await peer.receive_goodbye()
            peer.say_goodbye()
            await wait_until(lambda: len(lines) == 2)
            await turns(10)

    assert lines == [b"PROXY TCP4\r\n", b"question\n"]


async def test_a_handshake_that_fails_closes_the_connection_and_tells_its_protocol():
    async with connected() as (transport, protocol, peer_socket):
        upgrading = asyncio.create_task(
            asyncio.get_running_loop().start_tls(
                transport, protocol, server_context(), server_side=True
            )
        )
        await turns(3)
        peer_socket.send(b"no TLS at all\r\n")
        with pytest.raises(OSError, match="SSL"):
            await upgrading
        await protocol.closed


async def test_an_upgrade_that_times_out_is_aborted():
    async with connected() as (transport, protocol, _):
        with pytest.raises(ConnectionAbortedError, match="is taking longer than"):
            await asyncio.get_running_loop().start_tls(
                transport,
                protocol,
                server_context(),
                server_side=True,
                ssl_handshake_timeout=0.01,
            )


async def test_a_transport_that_cannot_be_upgraded_is_refused():
    with pytest.raises(TypeError, match=r"transport .* is not supported by start_tls\(\)"):
        await asyncio.get_running_loop().start_tls(
            asyncio.Transport(), RecordingProtocol(), client_context()
        )


class ForeignTransport(asyncio.Transport):
    """A transport of somebody else's: what it is asked for, another transport does."""

    _start_tls_compatible = True

    def __init__(self, transport):
        super().__init__()
        self.transport = transport

    def __getattribute__(self, name):
        if name in {"transport", "_start_tls_compatible", "__class__"}:
            return super().__getattribute__(name)
        return getattr(super().__getattribute__("transport"), name)


async def test_a_foreign_transport_carries_tls():
    async with connected() as (transport, protocol, peer_socket):
        foreign = ForeignTransport(transport)
        async with upgraded(foreign, protocol, peer_socket) as (tls, peer):
            peer.send(b"question")
            await wait_until(lambda: protocol.received == b"question")
            tls.write(LARGE)
            assert await peer.receive(len(LARGE)) == LARGE
            tls.close()
            await peer.receive_goodbye()
            peer.say_goodbye()
            await protocol.closed
            assert tls.get_extra_info("sslcontext")

    assert protocol.lost_with is None


async def tls_in_tls(client_socket, client_side, server_socket, server_side):
    """Connect two sockets by TLS, upgrade both ends again, return the inner transports."""
    loop = asyncio.get_running_loop()

    async def connect():
        outer, _ = await loop.create_connection(
            RecordingProtocol,
            sock=client_socket,
            ssl=client_context(),
            server_hostname="localhost",
        )
        return await loop.start_tls(
            outer, client_side, client_context(), server_hostname="localhost"
        )

    async def accept():
        outer, _ = await loop.connect_accepted_socket(
            EchoProtocol, server_socket, ssl=server_context()
        )
        return await loop.start_tls(outer, server_side, server_context(), server_side=True)

    return await asyncio.gather(connect(), accept())


async def test_closing_tls_in_tls_says_goodbye_on_both_levels():
    with tcp_pair() as (client_socket, server_socket):
        client_side, server_side = RecordingProtocol(), EchoProtocol()

        transport, server_side.transport = await tls_in_tls(
            client_socket, client_side, server_socket, server_side
        )
        transport.write(LARGE)
        await wait_until(lambda: len(client_side.received) == len(LARGE))
        transport.close()
        await client_side.closed
        await server_side.closed
        await wait_until(lambda: client_socket.fileno() == server_socket.fileno() == -1)

    assert client_side.received == LARGE
    assert client_side.lost_with is None
    assert server_side.lost_with is None


async def test_backpressure_reaches_through_tls_in_tls():
    with tcp_pair() as (client_socket, server_socket):
        client_side, server_side = RecordingProtocol(), RecordingProtocol()

        transport, receiving = await tls_in_tls(
            client_socket, client_side, server_socket, server_side
        )
        receiving.pause_reading()
        total = 0
        while "pause_writing" not in client_side.calls:
            transport.write(bytes(500_000))
            total += 500_000
            await turns(2)
        receiving.resume_reading()
        await wait_until(lambda: "resume_writing" in client_side.calls)
        await wait_until(lambda: len(server_side.received) == total)
        transport.abort()
        receiving.abort()
        await wait_until(lambda: client_socket.fileno() == server_socket.fileno() == -1)
        await turns(3)
