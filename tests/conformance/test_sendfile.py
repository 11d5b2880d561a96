"""sendfile and sock_sendfile: files over TCP and Unix sockets, by the kernel or by the fallback."""

import asyncio
import contextlib
import errno
import io
import os
import socket
import sys
from asyncio.exceptions import SendfileNotAvailableError

import pytest

from tests.support.datagrams import endpoint
from tests.support.loops import is_stdlib
from tests.support.sockets import receive, receive_until_eof, reset, tcp_pair, unix_pair
from tests.support.streams import connected
from tests.support.waiting import turns, wait_until

# Far more than the kernel's buffers hold.
SIZE = 3_000_000
CONTENT = bytes(range(256)) * (SIZE // 256)
BEFORE = b"before" * 100_000

PAIRS = pytest.mark.parametrize("pair", [tcp_pair, unix_pair], ids=["tcp", "unix"])
WAYS = pytest.mark.parametrize("way", ["transport", "sock"])


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    with path.open("rb") as opened:
        yield opened


@contextlib.asynccontextmanager
async def sender(way, pair=tcp_pair):
    """Give a function that sends a file, over a transport or a socket, and the other end."""
    loop = asyncio.get_running_loop()
    if way == "sock":
        with pair() as (ours, peer):
            yield lambda *args, **options: loop.sock_sendfile(ours, *args, **options), peer
    else:
        async with connected(pair=pair) as (transport, _, peer):
            yield lambda *args, **options: loop.sendfile(transport, *args, **options), peer


@PAIRS
@WAYS
async def test_a_file_is_sent_whole(way, pair, file):
    async with sender(way, pair) as (send, peer):
        sending = asyncio.ensure_future(send(file, fallback=False))
        assert await receive(peer, len(CONTENT)) == CONTENT
        assert await sending == len(CONTENT)
        assert file.tell() == len(CONTENT)


@WAYS
@pytest.mark.parametrize(
    ("offset", "count", "expected"),
    [
        (0, 1, CONTENT[:1]),
        (1000, None, CONTENT[1000:]),
        (1000, 500_000, CONTENT[1000:501_000]),
        (len(CONTENT) - 10, 100, CONTENT[-10:]),
        (len(CONTENT), None, b""),
        (len(CONTENT) + 5, 10, b""),
    ],
    ids=["first byte", "all behind", "middle", "beyond the end", "at the end", "behind the end"],
)
async def test_offset_and_count_choose_a_part(way, offset, count, expected, file):
    async with sender(way) as (send, peer):
        sending = asyncio.ensure_future(send(file, offset, count))
        assert await receive(peer, len(expected)) == expected
        assert await sending == len(expected)
        if expected:
            assert file.tell() == offset + len(expected)


@WAYS
async def test_an_empty_file_is_zero_bytes(way, tmp_path):
    (tmp_path / "empty").touch()
    with (tmp_path / "empty").open("rb") as file:
        async with sender(way) as (send, _):
            assert await send(file, fallback=False) == 0


@WAYS
async def test_what_has_no_descriptor_needs_the_fallback(way):
    async with sender(way) as (send, peer):
        with pytest.raises(SendfileNotAvailableError, match="not a regular file"):
            await send(io.BytesIO(b"in memory"), fallback=False)
        assert await send(io.BytesIO(b"in memory")) == 9
        assert await receive(peer, 9) == b"in memory"


@WAYS
async def test_a_pipe_is_sent_by_the_fallback(way):
    reading, writing = os.pipe()
    os.write(writing, b"through the pipe")
    os.close(writing)
    with open(reading, "rb") as file:
        async with sender(way) as (send, peer):
            try:
                assert await send(file, 0, 16) == 16
            except OSError as exc:  # a pipe cannot seek
                if not isinstance(exc, io.UnsupportedOperation) and exc.errno != errno.ESPIPE:
                    raise
                if file.read() == b"through the pipe":  # found out before: nothing is lost
                    return
            assert await receive(peer, 16) == b"through the pipe"


@WAYS
@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((-1,), ValueError, r"offset must be a non-negative integer \(got -1\)"),
        ((1.5,), TypeError, r"offset must be a non-negative integer \(got 1.5\)"),
        ((0, 0), ValueError, r"count must be a positive integer \(got 0\)"),
        ((0, -1), ValueError, r"count must be a positive integer \(got -1\)"),
        ((0, "1"), TypeError, r"count must be a positive integer \(got '1'\)"),
    ],
    ids=repr,
)
async def test_wrong_arguments_are_refused(way, arguments, error, message, file):
    async with sender(way) as (send, _):
        with pytest.raises(error, match=f"^{message}$"):
            await send(file, *arguments)


@WAYS
async def test_a_text_file_is_refused(way, tmp_path):
    (tmp_path / "text").write_text("text")
    with (tmp_path / "text").open() as file:
        async with sender(way) as (send, _):
            with pytest.raises(ValueError, match=r"^file should be opened in binary mode$"):
                await send(file)


async def test_only_streams_send_files(file):
    loop = asyncio.get_running_loop()
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        with pytest.raises(ValueError, match=r"^only SOCK_STREAM type sockets are supported$"):
            await loop.sock_sendfile(sock, file)
    async with endpoint() as (transport, _, _):
        with pytest.raises(RuntimeError, match=r"^sendfile is not supported for transport <"):
            await loop.sendfile(transport, file)


async def test_a_closing_transport_sends_no_file(file):
    async with connected() as (transport, _, _):
        transport.close()
        with pytest.raises(RuntimeError, match=r"^Transport is closing$"):
            await asyncio.get_running_loop().sendfile(transport, file)


@PAIRS
async def test_what_is_written_before_and_after_stands_around_the_file(pair, file):
    loop = asyncio.get_running_loop()
    async with connected(pair=pair) as (transport, _, peer):
        transport.write(BEFORE)
        receiving = asyncio.ensure_future(receive_until_eof(peer))
        await loop.sendfile(transport, file)
        transport.write(b"after")
        transport.close()
        assert await receiving == BEFORE + CONTENT + b"after"


async def test_nothing_is_read_and_nothing_can_be_written_meanwhile(file):
    loop = asyncio.get_running_loop()
    async with connected() as (transport, protocol, peer):
        sending = asyncio.ensure_future(loop.sendfile(transport, file, fallback=False))
        await turns(5)
        assert not transport.is_reading()
        peer.send(b"hello")
        await turns(5)
        assert protocol.received == b""
        with pytest.raises(RuntimeError, match=r"^unable to write; sendfile is in progress$"):
            transport.write(b"in between")
        if not is_stdlib(loop):  # it would go on reading, and the first one fail
            with pytest.raises(RuntimeError, match=r"^Empty waiter is already set$"):
                await loop.sendfile(transport, file)
            assert not transport.is_reading()
        assert await receive(peer, len(CONTENT)) == CONTENT
        await sending
        assert transport.is_reading()
        await wait_until(lambda: protocol.received == b"hello", "what the peer has sent")


async def test_reading_stays_paused_if_it_was(file):
    async with connected() as (transport, _, peer):
        transport.pause_reading()
        await asyncio.get_running_loop().sendfile(transport, file, 0, 100)
        assert not transport.is_reading()
        assert await receive(peer, 100) == CONTENT[:100]


@WAYS
async def test_the_position_is_set_even_if_there_is_nothing_to_send(way, file):
    if is_stdlib(asyncio.get_running_loop()) and sys.version_info < (3, 13, 18):
        pytest.skip("asyncio left it where it was")
    async with sender(way) as (send, _):
        assert await send(file, len(CONTENT)) == 0
        assert file.tell() == len(CONTENT)


@PAIRS
@WAYS
async def test_a_cancelled_one_leaves_the_position_behind_what_was_sent(way, pair, file):
    async with sender(way, pair) as (send, peer):
        sending = asyncio.ensure_future(send(file, 1000))
        await turns(10)
        assert not sending.done()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        if is_stdlib(asyncio.get_running_loop()):
            assert file.tell() == 0  # where it was
            return
        sent = file.tell() - 1000
        assert 0 < sent < len(CONTENT)
        again = asyncio.ensure_future(send(file, file.tell()))
        assert await receive(peer, len(CONTENT) - 1000) == CONTENT[1000:]
        await again


@PAIRS
@WAYS
async def test_a_peer_that_goes_away_in_the_middle_is_an_error(way, pair, file):
    async with sender(way, pair) as (send, peer):
        sending = asyncio.ensure_future(send(file))
        await receive(peer, 1000)
        if pair is tcp_pair:
            reset(peer)
        else:
            peer.close()
        with pytest.raises(ConnectionError):
            await sending
        assert 1000 <= file.tell() < len(CONTENT)


@pytest.mark.parametrize("end", ["close", "abort"])
async def test_closing_the_transport_in_the_middle_ends_it(end, file):
    loop = asyncio.get_running_loop()
    if is_stdlib(loop):
        return  # waits for ever
    async with connected() as (transport, protocol, _):
        sending = asyncio.ensure_future(loop.sendfile(transport, file, fallback=False))
        await turns(10)
        getattr(transport, end)()
        await protocol.closed
        with pytest.raises(ConnectionError):
            await sending
        assert 0 < file.tell() < len(CONTENT)


@WAYS
async def test_a_file_that_shrinks_meanwhile_ends_early(way, tmp_path, file):
    async with sender(way) as (send, peer):
        sending = asyncio.ensure_future(send(file, 0, len(CONTENT)))
        await turns(10)
        os.truncate(tmp_path / "file", 0)
        received = bytearray()

        def ended():
            with contextlib.suppress(BlockingIOError):
                received.extend(peer.recv(1 << 20))
            return sending.done()

        await wait_until(ended, "the end of the file")
        assert await sending < len(CONTENT)


async def test_sock_sendfile_watches_nothing_afterwards(file):
    loop = asyncio.get_running_loop()
    with tcp_pair() as (ours, peer):
        sending = asyncio.ensure_future(loop.sock_sendfile(ours, file))
        await receive(peer, len(CONTENT))
        await sending
        assert not loop.remove_writer(ours)
