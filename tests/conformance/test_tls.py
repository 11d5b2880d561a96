"""TLS: servers, clients, start_tls."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.sockets import LOOPBACK, tcp_listener, tcp_pair
from tests.support.streams import address_of, serving
from tests.support.tls import client_context, server_context, tls_connection
from tests.support.waiting import DEADLINE, turns, wait_until

LARGE = bytes(range(256)) * 8_000


async def test_data_goes_there_and_back():
    async with tls_connection() as (transport, protocol, _):
        transport.write(b"hello")
        await wait_until(lambda: protocol.received == b"hello")


async def test_much_data_goes_there_and_back_whole():
    async with tls_connection() as (transport, protocol, _):
        transport.write(LARGE)
        transport.writelines([b"and ", bytearray(b"some "), memoryview(b"more")])
        await wait_until(lambda: len(protocol.received) == len(LARGE) + 13)

    assert protocol.received == LARGE + b"and some more"


async def test_connection_made_comes_after_the_handshake():
    seen = []

    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            seen.append(transport.get_extra_info("cipher"))

    async with tls_connection(Protocol, Protocol):
        assert len(seen) == 2
        assert None not in seen


async def test_extra_info_tells_about_the_tls_connection():
    async with tls_connection() as (transport, _, server_side):
        assert isinstance(transport.get_extra_info("sslcontext"), ssl.SSLContext)
        assert isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject)
        assert transport.get_extra_info("peercert")["subject"] == ((("commonName", "localhost"),),)
        assert transport.get_extra_info("cipher")[0]
        assert transport.get_extra_info("compression") is None
        assert transport.get_extra_info("peername")[0] == LOOPBACK
        assert isinstance(transport.get_extra_info("socket"), asyncio.trsock.TransportSocket)
        assert isinstance(server_side.transport.get_extra_info("ssl_object"), ssl.SSLObject)


async def test_a_tls_transport_is_an_asyncio_transport():
    async with tls_connection() as (transport, _, server_side):
        assert isinstance(transport, asyncio.Transport)
        assert isinstance(server_side.transport, asyncio.Transport)


async def test_the_default_write_limits_are_those_of_asyncio():
    async with tls_connection() as (transport, _, _):
        assert transport.get_write_buffer_limits() == (128 * 1024, 512 * 1024)


async def test_a_tls_stream_cannot_be_half_closed():
    async with tls_connection() as (transport, _, _):
        assert transport.can_write_eof() is False
        with pytest.raises(NotImplementedError):
            transport.write_eof()


async def test_close_sends_what_was_written_and_the_peer_sees_the_end():
    async with tls_connection(RecordingProtocol) as (transport, protocol, server_side):
        transport.write(LARGE)
        transport.close()
        await server_side.closed
        await protocol.closed

    assert server_side.received == LARGE
    assert server_side.calls[-2:] == ["eof_received", "connection_lost"]
    assert protocol.lost_with is None
    assert server_side.lost_with is None


async def test_abort_ends_the_connection_at_once():
    async with tls_connection(RecordingProtocol) as (transport, protocol, server_side):
        transport.write(bytes(50_000_000))
        transport.abort()
        await protocol.closed
        await server_side.closed

    assert len(server_side.received) < 50_000_000


async def test_pause_reading_holds_back_data():
    async with tls_connection() as (transport, protocol, server_side):
        transport.pause_reading()
        server_side.transport.write(b"hello")
        await turns(20)
        assert protocol.received == b""
        transport.resume_reading()
        await wait_until(lambda: protocol.received == b"hello")


async def test_the_protocol_is_paused_and_resumed_when_the_peer_does_not_read():
    async with tls_connection(RecordingProtocol) as (transport, protocol, server_side):
        server_side.transport.pause_reading()
        while "pause_writing" not in protocol.calls:
            transport.write(bytes(1_000_000))
            await turns(1)
        server_side.transport.resume_reading()
        await wait_until(lambda: "resume_writing" in protocol.calls)


async def test_an_exception_of_data_received_is_reported_and_closes(reports):
    class Protocol(RecordingProtocol):
        def data_received(self, data):
            raise ZeroDivisionError

    async with tls_connection(EchoProtocol, Protocol) as (transport, protocol, _):
        transport.write(b"hello")
        await protocol.closed

    assert isinstance(reports.pop()["exception"], ZeroDivisionError)
    assert isinstance(protocol.lost_with, ZeroDivisionError)


async def test_a_certificate_nobody_vouches_for_is_refused():
    loop = asyncio.get_running_loop()
    async with serving(EchoProtocol, ssl=server_context()) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            await loop.create_connection(
                RecordingProtocol, *address_of(server), ssl=True, server_hostname="localhost"
            )
        await turns(5)


async def test_a_certificate_of_another_host_is_refused():
    loop = asyncio.get_running_loop()
    async with serving(EchoProtocol, ssl=server_context()) as server:
        with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
            await loop.create_connection(
                RecordingProtocol,
                *address_of(server),
                ssl=client_context(),
                server_hostname="other.invalid",
            )
        await turns(5)


async def test_a_client_that_does_not_speak_tls_is_dropped():
    called = []
    async with serving(lambda: called.append(1) or EchoProtocol(), ssl=server_context()) as server:
        reader, writer = await asyncio.open_connection(*address_of(server))
        writer.write(b"GET / HTTP/1.0\r\n\r\n" * 100)
        with contextlib.suppress(ConnectionResetError):
            await asyncio.wait_for(reader.read(), DEADLINE)
        writer.close()
        with contextlib.suppress(ConnectionResetError):
            await writer.wait_closed()
        await turns(5)


async def test_a_handshake_that_takes_too_long_is_given_up():
    message = r"^SSL handshake is taking longer than 0\.01 seconds"

    with tcp_pair() as (ours, _), pytest.raises(ConnectionAbortedError, match=message):
        await asyncio.get_running_loop().create_connection(
            RecordingProtocol,
            sock=ours,
            ssl=client_context(),
            server_hostname="localhost",
            ssl_handshake_timeout=0.01,
        )


@pytest.mark.parametrize("option", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
@pytest.mark.parametrize("timeout", [0, -1])
async def test_a_timeout_that_is_not_positive_is_refused(option, timeout):
    options = {"ssl": client_context(), "server_hostname": "localhost", option: timeout}
    message = f"{option} should be a positive number, got {timeout}"

    with tcp_pair() as (ours, _), pytest.raises(ValueError, match=message):
        await asyncio.get_running_loop().create_connection(RecordingProtocol, sock=ours, **options)


async def test_server_hostname_is_needed_without_a_host():
    with (
        socket.socket() as sock,
        pytest.raises(ValueError, match="You must set server_hostname when using ssl without"),
    ):
        await asyncio.get_running_loop().create_connection(
            RecordingProtocol, sock=sock, ssl=client_context()
        )


async def test_connect_accepted_socket_returns_the_protocol_of_the_application():
    loop = asyncio.get_running_loop()
    with tcp_listener() as listener:
        connecting = asyncio.create_task(
            loop.create_connection(
                RecordingProtocol,
                *listener.getsockname(),
                ssl=client_context(),
                server_hostname="localhost",
            )
        )
        accepted, _ = await loop.sock_accept(listener)
        server_transport, server_side = await loop.connect_accepted_socket(
            EchoProtocol, accepted, ssl=server_context()
        )
        transport, protocol = await connecting
        assert isinstance(server_side, EchoProtocol)
        assert server_side.transport is server_transport
        transport.write(b"hello")
        await wait_until(lambda: protocol.received == b"hello")
        transport.close()
        await protocol.closed
        await server_side.closed
        await turns(3)


async def test_streams_speak_tls_too():
    async def echo(reader, writer):
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(echo, LOOPBACK, 0, ssl=server_context())
    async with server:
        reader, writer = await asyncio.open_connection(
            *address_of(server), ssl=client_context(), server_hostname="localhost"
        )
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        await turns(5)


async def test_many_tls_connections_at_once_all_get_their_answers():
    loop = asyncio.get_running_loop()

    async def ask(number):
        transport, protocol = await loop.create_connection(
            RecordingProtocol,
            *address_of(server),
            ssl=client_context(),
            server_hostname="localhost",
        )
        message = b"%03d" % number * 1000
        transport.write(message)
        await wait_until(lambda: len(protocol.received) == len(message))
        assert protocol.received == message
        transport.close()
        await protocol.closed

    async with serving(EchoProtocol, ssl=server_context()) as server:
        await asyncio.gather(*(ask(number) for number in range(20)))
        await turns(5)


async def test_an_end_of_stream_without_a_tls_goodbye_ends_the_connection():
    async with tls_connection(RecordingProtocol) as (transport, protocol, server_side):
        transport.write(b"last words")
        await wait_until(lambda: server_side.received == b"last words")
        transport.get_extra_info("socket")._sock.shutdown(socket.SHUT_WR)
        await server_side.closed
        transport.abort()
        await protocol.closed

    assert server_side.calls[-1] == "connection_lost"
    assert server_side.calls.count("eof_received") == 1


async def test_tls_runs_over_a_tls_connection():
    loop = asyncio.get_running_loop()
    with tcp_pair() as (client_socket, server_socket):
        inner_client, inner_server = RecordingProtocol(), EchoProtocol()

        async def client_side():
            options = {"server_hostname": "localhost"}
            outer, _ = await loop.create_connection(
                RecordingProtocol, sock=client_socket, ssl=client_context(), **options
            )
            return await loop.start_tls(outer, inner_client, client_context(), **options)

        async def server_side():
            outer, _ = await loop.connect_accepted_socket(
                EchoProtocol, server_socket, ssl=server_context()
            )
            return await loop.start_tls(outer, inner_server, server_context(), server_side=True)

        transport, inner_server.transport = await asyncio.gather(client_side(), server_side())
        transport.write(LARGE)
        await wait_until(lambda: len(inner_client.received) == len(LARGE))
        assert inner_client.received == LARGE
        transport.abort()
        inner_server.transport.abort()
        await wait_until(lambda: client_socket.fileno() == server_socket.fileno() == -1)
