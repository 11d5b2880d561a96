"""TLS: defaults of contexts and time limits, and what a transport tells about its state."""

import asyncio
import inspect
import ssl
import sys

import pytest

from tests.support.protocols import RecordingProtocol
from tests.support.sockets import tcp_pair
from tests.support.streams import address_of, serving
from tests.support.tls import client_context, server_context, tls_connection
from tests.support.waiting import wait_until


async def test_ssl_true_makes_a_context_that_trusts_the_systems_authorities(monkeypatch, reports):
    made = []

    def create_default_context(*args, **options):
        made.append(client_context())
        return made[-1]

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(ssl, "create_default_context", create_default_context)
    async with serving(RecordingProtocol, ssl=server_context()) as server:
        _, port = address_of(server)
        transport, protocol = await loop.create_connection(
            RecordingProtocol, "127.0.0.1", port, ssl=True, server_hostname="localhost"
        )
        used = transport.get_extra_info("sslcontext")
        transport.abort()
        await protocol.closed
    reports.clear()  # the server may find its goodbye refused

    assert used is made[0]
    assert len(made) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="no ssl_shutdown_timeout")
async def test_the_handshake_may_take_60_seconds_and_the_shutdown_30():
    transports = []

    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            transports.append(transport)

    loop = asyncio.get_running_loop()
    async with serving(RecordingProtocol, ssl=server_context()) as server:
        transport, protocol = await loop.create_connection(
            Protocol, *address_of(server), ssl=client_context(), server_hostname="localhost"
        )
        engine = transport._ssl_protocol
        limits = engine._ssl_handshake_timeout, engine._ssl_shutdown_timeout
        transport.abort()
        await protocol.closed

    assert limits == (60.0, 30.0)
    assert "ssl_handshake_timeout" in inspect.signature(loop.create_connection).parameters


async def test_the_layer_tells_whether_its_protocol_reads():
    async with tls_connection() as (transport, _, _):
        layer = transport._ssl_protocol
        told = [layer._app_reading_paused]
        transport.pause_reading()
        told.append(layer._app_reading_paused)
        transport.resume_reading()
        told.append(layer._app_reading_paused)

    assert told == [False, True, False]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="since 3.14")
async def test_a_tls_transport_is_closing_when_what_it_stands_on_is():
    loop = asyncio.get_running_loop()
    async with serving(RecordingProtocol, ssl=server_context()) as server:
        transport, protocol = await loop.create_connection(
            RecordingProtocol,
            *address_of(server),
            ssl=client_context(),
            server_hostname="localhost",
        )
        assert not transport.is_closing()
        transport._ssl_protocol._transport.abort()
        assert transport.is_closing()
        await protocol.closed


async def test_a_peer_that_goes_away_in_the_handshake_is_told_to_who_waits():
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, peer):
        connecting = asyncio.ensure_future(
            loop.create_connection(
                RecordingProtocol, sock=ours, ssl=client_context(), server_hostname="localhost"
            )
        )
        hello = bytearray()

        def has_hello():
            try:
                hello.extend(peer.recv(65536))
            except BlockingIOError:
                return False
            return True

        await wait_until(has_hello, "the client's hello")
        peer.close()
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await connecting

    assert hello[0] == 22, "a TLS record of the kind handshake"
