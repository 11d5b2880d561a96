"""What a server does with handshakes that fail, and with those that do not end."""

import asyncio
import contextlib
import ssl

import pytest

from tests.support.protocols import EchoProtocol
from tests.support.streams import address_of, serving
from tests.support.tls import client_context, server_context
from tests.support.waiting import turns


class Refusal:
    """Takes note of what it is called with."""

    def __init__(self, answer):
        self.answer = answer
        self.calls = []

    def __call__(self, transport, error, first):
        self.calls.append((transport.get_extra_info("peername"), error, first))
        return self.answer


@pytest.fixture
async def refused():
    """Give a TLS server with a refusal."""
    refusal = Refusal(b"no TLS\n")
    loop = asyncio.get_running_loop()
    loop.set_handshake_refusal(refusal)
    async with serving(EchoProtocol, ssl=server_context()) as server:
        yield refusal, address_of(server)


async def talk(address, *pieces):
    """Send pieces, each by itself, and return all that is answered."""
    reader, writer = await asyncio.open_connection(*address)
    for piece in pieces:
        writer.write(piece)
        await turns(10)  # both ends are in this loop
    try:
        return await reader.read(), writer.get_extra_info("sockname")
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    "pieces", [(b"GET / HTTP/1.1\r\n\r\n",), (b"GE", b"T ", b"/ HTTP/1.1\r\n\r\n")]
)
async def test_client_without_tls_gets_the_answer(refused, pieces):
    refusal, address = refused
    answer, name = await talk(address, *pieces)
    assert answer == b"no TLS\n"
    ((peer, error, first),) = refusal.calls
    assert peer == name
    assert isinstance(error, ssl.SSLError)
    assert b"GET / HTTP/1.1\r\n\r\n".startswith(first)
    assert len(first) >= 5


async def test_client_gets_openssls_alert_if_there_is_no_answer(refused):
    refusal, address = refused
    refusal.answer = None
    answer, _ = await talk(address, b"\x16\x03\x01\x00\x05aaaaa")
    assert answer[0] == 21  # RFC 8446 5.1: an alert
    assert len(refusal.calls) == 1


async def test_client_that_leaves_is_not_refused(refused):
    refusal, address = refused
    _, writer = await asyncio.open_connection(*address)
    writer.write(b"\x16\x03\x01")
    writer.close()
    await writer.wait_closed()
    await talk(address, b"GET / HTTP/1.1\r\n\r\n")
    assert len(refusal.calls) == 1


async def test_handshakes_that_do_not_end_can_be_aborted(refused):
    refusal, address = refused
    silent, silent_writer = await asyncio.open_connection(*address)
    silent_writer.write(b"\x16\x03\x01")
    reader, writer = await asyncio.open_connection(
        *address, ssl=client_context(), server_hostname="localhost"
    )
    writer.write(b"a")
    assert await reader.readexactly(1) == b"a"  # the server has ended its handshake, too
    asyncio.get_running_loop().abort_handshakes()
    with contextlib.suppress(ConnectionError):
        assert await silent.read() == b""
    writer.write(b"b")
    assert await reader.readexactly(1) == b"b"
    for one in (silent_writer, writer):
        one.close()
        with contextlib.suppress(ConnectionError):
            await one.wait_closed()
    assert refusal.calls == []


async def test_loop_without_tls_has_no_handshakes_to_abort():
    asyncio.get_running_loop().abort_handshakes()
