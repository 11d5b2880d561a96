"""TLS handshakes: certificates, names, protocols, sessions, time-outs, failures."""

import asyncio
import contextlib
import gc
import logging
import socket
import ssl
import sys
import weakref

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.sockets import receive_until_eof, reset, tcp_pair
from tests.support.streams import address_of, serving
from tests.support.tls import (
    CERTIFICATE,
    KEY,
    client_context,
    server_context,
    speak_no_tls,
    tls_connection,
)
from tests.support.tlspeer import TlsPeer
from tests.support.waiting import turns, wait_until

VERSIONS = pytest.mark.parametrize(
    "version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["tls12", "tls13"]
)


def connecting(sock, protocol=RecordingProtocol, context=None, **options):
    """Return a task that connects over a socket; its peer is the test's."""
    return asyncio.create_task(
        asyncio.get_running_loop().create_connection(
            protocol,
            sock=sock,
            ssl=context or client_context(),
            server_hostname="localhost",
            **options,
        )
    )


def accepting(sock, protocol=RecordingProtocol, context=None, **options):
    """Return a task that accepts over a socket; its peer is the test's."""
    return asyncio.create_task(
        asyncio.get_running_loop().connect_accepted_socket(
            protocol, sock, ssl=context or server_context(), **options
        )
    )


@VERSIONS
async def test_both_versions_of_tls_work(version):
    context = client_context()
    context.maximum_version = version
    async with tls_connection(client=context) as (transport, protocol, _):
        transport.write(b"hello")
        await wait_until(lambda: protocol.received == b"hello")
        assert (
            transport.get_extra_info("ssl_object").version()
            == {
                ssl.TLSVersion.TLSv1_2: "TLSv1.2",
                ssl.TLSVersion.TLSv1_3: "TLSv1.3",
            }[version]
        )


async def test_a_client_shows_its_certificate_when_the_server_asks_for_it():
    server, client = server_context(), client_context()
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(CERTIFICATE)
    client.load_cert_chain(CERTIFICATE, KEY)
    async with tls_connection(server=server, client=client) as (_, _, server_side):
        subject = server_side.transport.get_extra_info("peercert")["subject"]

    assert subject == ((("commonName", "localhost"),),)


@VERSIONS
async def test_a_client_without_the_certificate_it_needs_is_refused(version):
    server, client = server_context(), client_context()
    server.verify_mode = ssl.CERT_REQUIRED
    client.maximum_version = version
    with tcp_pair() as (ours, peer_socket):
        server_side = accepting(ours, context=server)
        peer = TlsPeer(peer_socket, server_side=False, context=client)
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await peer.handshake()
        with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
            await server_side
        await wait_until(lambda: ours.fileno() == -1)


async def test_the_application_protocol_is_negotiated():
    server, client = server_context(), client_context()
    server.set_alpn_protocols(["h2", "http/1.1"])
    client.set_alpn_protocols(["http/1.1", "h2"])
    async with tls_connection(server=server, client=client) as (transport, _, server_side):
        for end in (transport, server_side.transport):
            assert end.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"


async def test_the_callback_for_the_servers_name_may_change_the_context():
    asked = []
    server, other = server_context(), server_context()

    def choose(ssl_object, name, context):
        asked.append((name, context is server))
        ssl_object.context = other

    server.sni_callback = choose
    async with tls_connection(server=server) as (_, _, server_side):
        assert server_side.transport.get_extra_info("ssl_object").context is other
        assert server_side.transport.get_extra_info("sslcontext") is server

    assert asked == [("localhost", True)]


async def test_the_callback_for_the_servers_name_may_refuse():
    context = server_context()
    context.sni_callback = lambda *_: ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME
    with tcp_pair() as (ours, peer_socket):
        server_side = accepting(ours, context=context)
        peer = TlsPeer(peer_socket, server_side=False)
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            await peer.handshake()
        with pytest.raises(ssl.SSLError):
            await server_side
        await wait_until(lambda: ours.fileno() == -1)


class ResumingContext(ssl.SSLContext):
    """A client's context that offers one session again."""

    session = None

    def wrap_bio(self, *args, **kwargs):
        return super().wrap_bio(*args, session=self.session, **kwargs)


@VERSIONS
async def test_a_session_is_resumed(version):
    client = ResumingContext(ssl.PROTOCOL_TLS_CLIENT)
    client.load_verify_locations(CERTIFICATE)
    client.maximum_version = version
    server = server_context()
    async with tls_connection(server=server, client=client) as (transport, protocol, _):
        transport.write(b"hello")  # the tickets of TLS 1.3 come before the answer
        await wait_until(lambda: protocol.received == b"hello")
        ssl_object = transport.get_extra_info("ssl_object")
        assert not ssl_object.session_reused
        client.session = ssl_object.session
    async with tls_connection(server=server, client=client) as (transport, _, server_side):
        assert transport.get_extra_info("ssl_object").session_reused
        assert server_side.transport.get_extra_info("ssl_object").session_reused


async def test_each_connection_may_have_a_context_of_its_own():
    async with serving(EchoProtocol, ssl=server_context()) as server:
        contexts = [client_context(), client_context()]
        for context in contexts:
            transport, protocol = await asyncio.get_running_loop().create_connection(
                RecordingProtocol, *address_of(server), ssl=context, server_hostname="localhost"
            )
            assert transport.get_extra_info("sslcontext") is context
            transport.close()
            await protocol.closed
        await turns(5)


# ---- what fails


async def test_the_end_of_the_stream_in_a_handshake_is_a_reset():
    with tcp_pair() as (ours, peer):
        task = connecting(ours)
        await turns(5)
        peer.shutdown(socket.SHUT_WR)
        with pytest.raises(ConnectionResetError):
            await task


async def test_a_reset_in_a_handshake_is_raised():
    with tcp_pair() as (ours, peer):
        task = connecting(ours)
        await turns(5)
        reset(peer)
        with pytest.raises(ConnectionError):
            await task


async def test_a_server_gives_up_a_client_that_says_nothing():
    message = r"SSL handshake is taking longer than 0\.01 seconds: aborting the connection"
    with tcp_pair() as (ours, peer):
        with pytest.raises(ConnectionAbortedError, match=message):
            await accepting(ours, ssl_handshake_timeout=0.01)
        assert await receive_until_eof(peer) == b""


async def test_a_server_without_a_context_is_refused():
    with pytest.raises(TypeError, match="ssl argument must be an SSLContext or None"):
        await asyncio.get_running_loop().create_server(EchoProtocol, "127.0.0.1", 0, ssl=True)


async def test_what_a_failed_client_sees_on_a_debugged_server_is_reported(reports):
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    protocols = []

    def factory():
        protocols.append(EchoProtocol())
        return protocols[-1]

    async with serving(factory, ssl=server_context()) as server:
        _reader, writer = await asyncio.open_connection(*address_of(server))
        writer.write(b"no TLS at all\r\n" * 10)
        await wait_until(lambda: reports, "the report")
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        await turns(5)
    report = reports.pop()

    assert report["message"] == "Error on transport creation for incoming connection"
    assert isinstance(report["exception"], ssl.SSLError)
    assert report["protocol"] is protocols[0]
    assert isinstance(report["transport"], asyncio.Transport)
    assert protocols[0].calls == []


async def test_a_failed_client_is_nothing_to_report(reports, caplog):
    async with serving(EchoProtocol, ssl=server_context()) as server:
        await speak_no_tls(address_of(server))
        await turns(5)

    assert reports == []
    assert caplog.records == []


async def test_a_peer_that_we_refuse_gets_an_alert(request):
    if is_stdlib(asyncio.get_running_loop()):
        pytest.skip("asyncio closes without it: the peer sees a reset")
    strict = ssl.create_default_context()
    with tcp_pair() as (ours, peer_socket):
        task = connecting(ours, context=strict)
        peer = TlsPeer(peer_socket, server_side=True)
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            await peer.handshake()
        with pytest.raises(ssl.SSLCertVerificationError):
            await task


# ---- what the protocol does in connection_made()


async def connect_in_vain(address, context, remembered):
    try:
        await asyncio.get_running_loop().create_connection(
            asyncio.Protocol, *address, ssl=context, server_hostname="localhost"
        )
    except ssl.SSLCertVerificationError:
        return
    pytest.fail("the certificate was accepted")


async def upgrade_in_vain(address, context, remembered):
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(asyncio.Protocol, *address)
    remembered.add(transport)
    try:
        await loop.start_tls(transport, protocol, context, server_hostname="localhost")
    except ssl.SSLCertVerificationError:
        return
    pytest.fail("the certificate was accepted")


@pytest.mark.parametrize("attempt", [connect_in_vain, upgrade_in_vain])
async def test_no_cycle_keeps_what_a_failed_handshake_leaves(attempt):
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info < (3, 14, 10):
        pytest.skip("asyncio's own frames keep the exception, and the exception the frames")
    remembered = weakref.WeakSet()

    class RememberedSSLObject(ssl.SSLObject):
        def __new__(cls):
            remembered.add(made := super().__new__(cls))
            count.append(1)
            return made

    count = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which trusts nobody
    context.sslobject_class = RememberedSSLObject
    gc.collect()
    gc.disable()
    try:
        async with serving(EchoProtocol, ssl=server_context()) as server:
            await attempt(address_of(server), context, remembered)
            await turns(5)
            assert count == [1]
            assert list(remembered) == []
    finally:
        gc.enable()


async def test_connection_made_may_write_and_close():
    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.write(b"hello")
            transport.close()

    with tcp_pair() as (ours, peer_socket):
        server_side = accepting(ours, Protocol)
        peer = TlsPeer(peer_socket, server_side=False)
        await peer.handshake()
        _, protocol = await server_side
        assert await peer.receive_goodbye() == b"hello"
        peer.say_goodbye()
        await protocol.closed
        assert protocol.lost_with is None


async def test_connection_made_may_abort():
    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            transport.abort()

    with tcp_pair() as (ours, peer_socket):
        server_side = accepting(ours, Protocol)
        peer = TlsPeer(peer_socket, server_side=False)
        await peer.handshake()
        _, protocol = await server_side
        await protocol.closed

    assert protocol.calls == ["connection_made", "connection_lost"]


async def test_an_exception_of_connection_made_ends_the_connection(reports):
    class Protocol(RecordingProtocol):
        def connection_made(self, transport):
            super().connection_made(transport)
            raise ZeroDivisionError

    with tcp_pair() as (ours, peer_socket):
        server_side = accepting(ours, Protocol)
        peer = TlsPeer(peer_socket, server_side=False)
        await peer.handshake()
        with pytest.raises(ZeroDivisionError):
            await server_side
        await wait_until(lambda: ours.fileno() == -1)

    assert isinstance(reports.pop()["exception"], ZeroDivisionError)


async def test_data_that_comes_with_the_end_of_the_handshake_is_not_lost():
    with tcp_pair() as (ours, peer_socket):
        server_side = accepting(ours)
        peer = TlsPeer(peer_socket, server_side=False)

        def finished() -> bool:
            peer.pump()
            try:
                peer.ssl_object.do_handshake()
            except ssl.SSLWantReadError:
                peer.flush()
                return False
            return True

        await wait_until(finished)
        peer.ssl_object.write(b"hello")
        peer.flush()  # the end of the handshake and the data in one
        transport, protocol = await server_side
        await wait_until(lambda: protocol.received == b"hello")
        assert protocol.calls[:2] == ["connection_made", "data_received"]
        transport.abort()
        await protocol.closed


async def test_debug_mode_tells_of_the_handshake(caplog):
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    with caplog.at_level(logging.DEBUG, "asyncio"):
        async with tls_connection():
            pass

    texts = [record.getMessage() for record in caplog.records]
    assert sum(text.endswith(" starts SSL handshake") for text in texts) == 2
    assert sum(": SSL handshake took " in text for text in texts) == 2
