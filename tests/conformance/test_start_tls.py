"""start_tls: a connection that is there already goes on in TLS."""

import asyncio
import ssl
import sys

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import EchoProtocol, RecordingProtocol
from tests.support.sockets import LOOPBACK, tcp_pair
from tests.support.streams import address_of, serving
from tests.support.tls import client_context, server_context
from tests.support.waiting import turns, wait_until

LARGE = bytes(range(256)) * 8_000


class UpgradingProtocol(RecordingProtocol):
    """Answer the first message with "go", then speak TLS: say "ready" and send back what comes."""

    def __init__(self):
        super().__init__()
        self.upgrade = None

    def data_received(self, data):
        super().data_received(data)
        if self.upgrade is None:
            self.transport.write(b"go")
            self.upgrade = asyncio.create_task(self.start_tls())
        else:
            self.transport.write(data)

    async def start_tls(self):
        self.transport = await asyncio.get_running_loop().start_tls(
            self.transport, self, server_context(), server_side=True
        )
        self.transport.write(b"ready")


async def test_start_tls_upgrades_both_ends_of_a_plain_connection():
    loop = asyncio.get_running_loop()
    protocols = []

    def factory():
        protocols.append(UpgradingProtocol())
        return protocols[-1]

    async with serving(factory) as server:
        transport, protocol = await loop.create_connection(RecordingProtocol, *address_of(server))
        transport.write(b"starttls")
        await wait_until(lambda: protocol.received == b"go")
        tls = await loop.start_tls(
            transport, protocol, client_context(), server_hostname="localhost"
        )
        assert protocol.calls.count("connection_made") == 1
        assert tls.get_extra_info("ssl_object") is not None
        await wait_until(lambda: protocol.received == b"goready")
        tls.write(LARGE)
        await wait_until(lambda: len(protocol.received) == 7 + len(LARGE))
        assert protocol.received[7:] == LARGE
        tls.close()
        await protocol.closed
        await protocols[0].closed
        await turns(3)


async def test_start_tls_raises_when_the_handshake_fails():
    loop = asyncio.get_running_loop()
    async with serving(EchoProtocol) as server:  # echoes the client's own hello
        transport, protocol = await loop.create_connection(RecordingProtocol, *address_of(server))
        with pytest.raises(ssl.SSLError):
            await loop.start_tls(transport, protocol, client_context(), server_hostname="localhost")
        await wait_until(transport.is_closing)
        await turns(5)


async def test_start_tls_refuses_what_is_no_ssl_context():
    loop = asyncio.get_running_loop()
    async with serving(EchoProtocol) as server:
        transport, protocol = await loop.create_connection(RecordingProtocol, *address_of(server))
        with pytest.raises(TypeError, match="sslcontext is expected to be an instance of"):
            await loop.start_tls(transport, protocol, True)
        transport.close()
        await protocol.closed
        await turns(3)


async def test_a_stream_can_be_upgraded_to_tls():
    async def upgrade(reader, writer):
        await reader.readline()
        writer.write(b"go\n")
        await writer.drain()
        await writer.start_tls(server_context())
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(upgrade, LOOPBACK, 0) as server:
        reader, writer = await asyncio.open_connection(*address_of(server))
        writer.write(b"starttls\n")
        assert await reader.readline() == b"go\n"
        await writer.start_tls(client_context(), server_hostname="localhost")
        writer.write(b"secret\n")
        assert await reader.readline() == b"secret\n"
        writer.close()
        await writer.wait_closed()
        await turns(5)


async def test_a_cancelled_start_tls_leaves_nothing_behind():
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, _):
        transport, protocol = await loop.create_connection(RecordingProtocol, sock=ours)
        starting = asyncio.create_task(
            loop.start_tls(transport, protocol, client_context(), server_hostname="localhost")
        )
        await turns(2)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        await wait_until(lambda: ours.fileno() == -1, "the socket to be closed")


@pytest.mark.parametrize("way", ["close", "abort"])
@pytest.mark.parametrize("lost", [False, True], ids=["closing", "lost"])
async def test_start_tls_on_a_transport_closed_before_returns_none(way, lost):
    loop = asyncio.get_running_loop()
    if is_stdlib(loop) and (lost or sys.version_info < (3, 12)):
        pytest.skip("asyncio waits for the handshake time-out")
    async with serving(EchoProtocol) as server:
        transport, protocol = await loop.create_connection(RecordingProtocol, *address_of(server))
        getattr(transport, way)()
        if lost:
            await protocol.closed
        upgrading = loop.start_tls(
            transport, protocol, client_context(), server_hostname="localhost"
        )
        assert await asyncio.wait_for(upgrading, 10) is None
        await turns(5)


async def test_start_tls_returns_none_when_this_side_closes_during_the_handshake():
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, _peer):  # which never answers the hello
        transport, protocol = await loop.create_connection(RecordingProtocol, sock=ours)
        upgrade = asyncio.create_task(
            loop.start_tls(transport, protocol, client_context(), server_hostname="localhost")
        )
        await turns(5)
        transport.close()
        assert await asyncio.wait_for(upgrade, 10) is None
        await turns(5)
