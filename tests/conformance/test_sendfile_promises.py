"""sendfile and sock_sendfile: order, offsets, what is refused, and the fallback."""

import asyncio
import contextlib
import io
import socket
import sys

import pytest

from tests.support.loops import is_stdlib
from tests.support.protocols import RecordingProtocol
from tests.support.sockets import receive, receive_until_eof, tcp_pair, unix_pair
from tests.support.streams import address_of, connected, serving
from tests.support.tls import client_context, server_context
from tests.support.waiting import turns, wait_until

CONTENT = b"".join(b"%07d\n" % number for number in range(100_000))

PAIRS = pytest.mark.parametrize("pair", [tcp_pair, unix_pair], ids=["tcp", "unix"])


@pytest.fixture
def file(tmp_path):
    """Give a file of CONTENT, open for reading."""
    path = tmp_path / "content"
    path.write_bytes(CONTENT)
    with path.open("rb") as file:
        yield file


async def finished(sending, peer: socket.socket, size: int) -> tuple[int, bytes]:
    """Receive `size` bytes while sending goes on; return what sending returned, and them."""
    sent, received = await asyncio.gather(sending, receive(peer, size))
    return sent, received


@PAIRS
async def test_sendfile_sends_after_what_was_written(file, pair):
    loop = asyncio.get_running_loop()
    async with connected(pair=pair) as (transport, _, peer):
        before = bytes(300_000)
        transport.write(before)
        sending = loop.sendfile(transport, file)
        sent, received = await finished(sending, peer, len(before) + len(CONTENT))
        transport.write(b"behind")
        behind = await receive(peer, 6)

    assert sent == len(CONTENT)
    assert received == before + CONTENT
    assert behind == b"behind"
    assert file.tell() == len(CONTENT)


@PAIRS
async def test_sendfile_sends_the_part_that_is_asked_for(file, pair):
    loop = asyncio.get_running_loop()
    async with connected(pair=pair) as (transport, _, peer):
        sent, received = await finished(loop.sendfile(transport, file, 100, 5000), peer, 5000)

    assert (sent, received) == (5000, CONTENT[100:5100])
    assert file.tell() == 5100


async def test_sendfile_sends_what_there_is_of_a_part_beyond_the_end(file):
    loop = asyncio.get_running_loop()
    offset = len(CONTENT) - 10
    async with connected() as (transport, _, peer):
        sent, received = await finished(loop.sendfile(transport, file, offset, 5000), peer, 10)

    assert (sent, received) == (10, CONTENT[-10:])


async def test_sendfile_reads_nothing_meanwhile(file):
    loop = asyncio.get_running_loop()
    async with connected() as (transport, protocol, peer):
        sending = asyncio.ensure_future(loop.sendfile(transport, file))
        await turns(3)
        assert not sending.done()
        peer.send(b"question")
        await turns(10)
        assert protocol.received == b""

        await receive(peer, len(CONTENT))
        assert await sending == len(CONTENT)
        await wait_until(lambda: protocol.received == b"question")


async def test_write_during_sendfile_is_refused(file):
    loop = asyncio.get_running_loop()
    async with connected() as (transport, _, peer):
        sending = asyncio.ensure_future(loop.sendfile(transport, file))
        await turns(3)
        assert not sending.done()
        with pytest.raises(RuntimeError, match=r"^unable to write; sendfile is in progress$"):
            transport.write(b"x")
        await receive(peer, len(CONTENT))
        await sending


async def test_sendfile_on_a_closing_transport_is_refused(file):
    loop = asyncio.get_running_loop()
    async with connected() as (transport, _, _):
        transport.close()
        with pytest.raises(RuntimeError, match=r"^Transport is closing$"):
            await loop.sendfile(transport, file)


async def test_sendfile_falls_back_for_what_is_no_file_of_the_kernel():
    loop = asyncio.get_running_loop()
    if is_stdlib(loop) and sys.version_info >= (3, 12):
        pytest.skip("asyncio reads the next part into the buffer that still waits to be sent")
    memory = io.BytesIO(CONTENT)
    async with connected() as (transport, _, peer):
        sent, received = await finished(loop.sendfile(transport, memory), peer, len(CONTENT))

    assert (sent, received) == (len(CONTENT), CONTENT)


async def test_sendfile_without_fallback_is_refused_where_the_kernel_cannot():
    loop = asyncio.get_running_loop()
    async with connected() as (transport, _, _):
        with pytest.raises((asyncio.SendfileNotAvailableError, RuntimeError)) as raised:
            await loop.sendfile(transport, io.BytesIO(CONTENT), fallback=False)

    assert "not" in str(raised.value)


async def test_sendfile_falls_back_over_tls(file):
    loop = asyncio.get_running_loop()
    servers = []

    def make():
        servers.append(RecordingProtocol())
        return servers[-1]

    async with serving(make, ssl=server_context()) as server:
        transport, protocol = await loop.create_connection(
            RecordingProtocol,
            *address_of(server),
            ssl=client_context(),
            server_hostname="localhost",
        )
        with pytest.raises(RuntimeError, match="fallback is disabled"):
            await loop.sendfile(transport, file, fallback=False)
        assert await loop.sendfile(transport, file) == len(CONTENT)
        transport.close()
        await protocol.closed
        await servers[0].closed

    assert servers[0].received == CONTENT


async def test_sendfile_to_a_peer_that_goes_away_raises(file):
    loop = asyncio.get_running_loop()
    async with connected() as (transport, protocol, peer):
        sending = asyncio.ensure_future(loop.sendfile(transport, file))
        await turns(3)
        assert not sending.done()
        peer.close()
        with pytest.raises(ConnectionError):
            await sending
        transport.abort()
        await protocol.closed


async def test_a_cancelled_sendfile_leaves_the_transport_usable_or_closed(file):
    loop = asyncio.get_running_loop()
    async with connected() as (transport, protocol, peer):
        sending = asyncio.ensure_future(loop.sendfile(transport, file))
        await turns(3)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        transport.close()
        received = await receive_until_eof(peer)
        await protocol.closed

    assert CONTENT.startswith(received)


@PAIRS
async def test_sock_sendfile_leaves_the_file_behind_what_was_sent(file, pair):
    loop = asyncio.get_running_loop()
    with pair() as (ours, peer):
        sending = loop.sock_sendfile(ours, file, 8, 80_000)
        sent, received = await finished(sending, peer, 80_000)

    assert (sent, received) == (80_000, CONTENT[8:80_008])
    assert file.tell() == 80_008


async def test_sock_sendfile_sends_all_of_a_file(file):
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, peer):
        sent, received = await finished(loop.sock_sendfile(ours, file), peer, len(CONTENT))

    assert (sent, received) == (len(CONTENT), CONTENT)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 0), ValueError, "count must be a positive integer"),
        ((0, -1), ValueError, "count must be a positive integer"),
        ((0, "1"), TypeError, "count must be a positive integer"),
        ((-1,), ValueError, "offset must be a non-negative integer"),
        ((1.0,), TypeError, "offset must be a non-negative integer"),
    ],
    ids=str,
)
async def test_sock_sendfile_refuses(file, arguments, error, message):
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, _), pytest.raises(error, match=message):
        await loop.sock_sendfile(ours, file, *arguments)


async def test_sock_sendfile_refuses_text_files(tmp_path):
    loop = asyncio.get_running_loop()
    (tmp_path / "text").write_text("text")
    with (
        tcp_pair() as (ours, _),
        (tmp_path / "text").open() as text,
        pytest.raises(ValueError, match="file should be opened in binary mode"),
    ):
        await loop.sock_sendfile(ours, text)


async def test_sock_sendfile_refuses_datagram_sockets(file):
    loop = asyncio.get_running_loop()
    with contextlib.closing(socket.socket(type=socket.SOCK_DGRAM)) as datagrams:
        datagrams.setblocking(False)
        with pytest.raises(ValueError, match="only SOCK_STREAM type sockets are supported"):
            await loop.sock_sendfile(datagrams, file)
