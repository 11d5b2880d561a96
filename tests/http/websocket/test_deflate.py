"""Compressed messages (permessage-deflate, RFC 7692): offers, windows, and what is invalid.

Sizes and offers are those of the cases 12 and 13 of the Autobahn test suite.
"""

import random
import zlib

import pytest

from ngxloop.http.websocket.extensions import agree_on_deflate
from tests.http.serving import serving
from tests.http.websocket.frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    Frame,
    close,
    echo,
    frame,
    text,
    websocket,
)
from tests.http.websocket.table import fragments

EXTENSION = b"Sec-WebSocket-Extensions"
TAIL = b"\x00\x00\xff\xff"
ENDED_STREAM = b"\x03\x00"  # one block, the last one, with nothing in it
DEFLATED = 4
PLAIN = b"permessage-deflate"
# What is offered, and what is answered behind the name; None: nothing.
OFFERS = [
    (PLAIN, b"; server_max_window_bits=12"),
    (
        b"permessage-deflate; client_max_window_bits",
        b"; server_max_window_bits=12; client_max_window_bits=12",
    ),
    (
        b"permessage-deflate; client_max_window_bits=9; server_max_window_bits=9",
        b"; server_max_window_bits=9; client_max_window_bits=9",
    ),
    (
        b"permessage-deflate; client_max_window_bits=8",
        b"; server_max_window_bits=12; client_max_window_bits=8",
    ),
    (
        b"permessage-deflate; server_no_context_takeover; client_no_context_takeover",
        b"; server_max_window_bits=12; server_no_context_takeover; client_no_context_takeover",
    ),
    (
        b'permessage-deflate;server_max_window_bits = "15" ;client_max_window_bits="15"',
        b"; server_max_window_bits=12; client_max_window_bits=12",
    ),
    (
        b"x-other; a=b, , permessage-deflate; server_max_window_bits=8, permessage-deflate",
        b"; server_max_window_bits=12",
    ),
    (b"x-other", None),
    (b"permessage-deflate; server_max_window_bits", None),
    (b"permessage-deflate; server_max_window_bits=8", None),
    (b"permessage-deflate; server_max_window_bits=16", None),
    (b"permessage-deflate; server_max_window_bits=010", None),
    (b"permessage-deflate; client_max_window_bits=7", None),
    (b"permessage-deflate; server_no_context_takeover=1", None),
    (b"permessage-deflate; client_max_window_bits; client_max_window_bits", None),
    (b"permessage-deflate; unknown", None),
]


class Deflater:
    """The client's side, with windows of its own choice."""

    def __init__(self, *, keeps: bool = True, bits: int = 12) -> None:
        self.keeps = keeps
        self.bits = bits
        self.compressor = zlib.compressobj(wbits=-bits)
        self.decompressor = zlib.decompressobj(wbits=-15)

    def compress(self, content: bytes) -> bytes:
        """Return a message as it is sent."""
        if not self.keeps:
            self.compressor = zlib.compressobj(wbits=-self.bits)
        data = self.compressor.compress(content) + self.compressor.flush(zlib.Z_SYNC_FLUSH)
        assert data.endswith(TAIL)
        return data[:-4]

    def decompress(self, data: bytes) -> bytes:
        """Return a message that was sent."""
        return self.decompressor.decompress(data + TAIL)


@pytest.mark.parametrize(("offer", "answer"), OFFERS, ids=lambda value: repr(value)[:60])
async def test_offer_is_answered(offer, answer):
    async with serving(echo) as served, websocket(served, {EXTENSION: offer}) as peer:
        expected = None if answer is None else PLAIN + answer
        assert peer.answer.header(EXTENSION.lower()) == expected


async def test_nothing_is_agreed_on_if_messages_are_not_to_be_compressed():
    async with (
        serving(echo, ws_per_message_deflate=False) as served,
        websocket(served, {EXTENSION: PLAIN}) as peer,
    ):
        assert peer.answer.header(EXTENSION.lower()) is None
        peer.send(text("a", reserved=DEFLATED))
        assert await peer.close_code() == 1002


@pytest.mark.parametrize("offer", [offer for offer, answer in OFFERS if answer is not None])
@pytest.mark.parametrize("size", [16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072])
async def test_messages_are_compressed_both_ways(offer, size):
    agreed = agree_on_deflate(offer)
    deflater = Deflater(keeps=not agreed.client_forgets, bits=agreed.client_window_bits)
    random_source = random.Random(size)
    words = [b"%x" % random_source.randrange(1 << 32) for _ in range(50)]
    async with serving(echo) as served, websocket(served, {EXTENSION: offer}) as peer:
        for number in range(6):
            content = b" ".join(random_source.choices(words, k=size // 8))[:size]
            opcode = TEXT if number % 2 else BINARY
            data = deflater.compress(content)
            if number < 3:
                peer.send(frame(opcode, data, reserved=DEFLATED))
            else:  # only the first frame says that the message is compressed
                first, *others = fragments(data, len(data) // 3 + 1, opcode)
                peer.send(bytes([first[0] | DEFLATED << 4]) + first[1:], *others)
            found = await peer.frame()
            assert (found.opcode, found.reserved) == (opcode, DEFLATED)
            assert deflater.decompress(found.payload) == content
            if agreed.server_forgets:
                deflater.decompressor = zlib.decompressobj(wbits=-15)


async def test_messages_need_not_be_compressed_and_control_frames_are_not():
    async with serving(echo) as served, websocket(served, {EXTENSION: PLAIN}) as peer:
        peer.send(text("plain"), frame(PING, b"p"))
        assert await peer.frame() == Frame(PONG, b"p")
        found = await peer.frame()
        assert Deflater().decompress(found.payload) == b"plain"
        peer.send(frame(PING, reserved=DEFLATED))
        assert await peer.close_code() == 1002


async def test_empty_message():
    async with serving(echo) as served, websocket(served, {EXTENSION: PLAIN}) as peer:
        for _ in range(2):
            peer.send(frame(TEXT, b"\x00", reserved=DEFLATED))  # RFC 7692 7.2.3.6
            assert await peer.frame() == Frame(TEXT, b"")


async def test_compressor_that_has_nothing_to_flush_sends_an_empty_block():
    """After a message that was empty zlib has nothing to send a second time."""
    deflater = Deflater()
    async with serving(echo) as served, websocket(served, {EXTENSION: PLAIN}) as peer:
        for content in (b"a", b"", b"", b"b"):
            peer.send(frame(BINARY, content))
            found = await peer.frame()
            content_found = deflater.decompress(found.payload) if found.reserved else found.payload
            assert content_found == content


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("f248cdc9c90700"),  # RFC 7692 7.2.3.1
        bytes.fromhex("000500faff48656c6c6f00"),  # 7.2.3.3: not compressed
        bytes.fromhex("f348cdc9c9070000"),  # 7.2.3.4: a last block
        bytes.fromhex("f24805000000ffffcac9c90700"),  # 7.2.3.5: two blocks
    ],
    ids=["one block", "stored", "last block", "two blocks"],
)
async def test_blocks_of_the_rfc(data):
    async with serving(echo) as served, websocket(served, {EXTENSION: PLAIN}) as peer:
        for _ in range(3):
            peer.send(frame(TEXT, data, reserved=DEFLATED))
            assert (await peer.frame()).reserved == DEFLATED
        peer.send(close(1000))
        assert await peer.close_code() == 1000


@pytest.mark.parametrize(
    ("data", "opcode", "code"),
    [
        (b"\xff\xff\xff\xff", BINARY, 1002),
        (Deflater().compress(b"\xff\xfe"), TEXT, 1007),
        (Deflater().compress(b"\xe2\x82"), TEXT, 1007),
        (Deflater().compress(bytes(101)), BINARY, 1009),
        (Deflater().compress(bytes(200_000_000)), BINARY, 1009),
        (ENDED_STREAM * 17 + b"\x00", BINARY, 1002),
    ],
    ids=["no deflate data", "no text", "half a character", "too large", "a bomb", "streams"],
)
async def test_compressed_message_that_is_invalid(data, opcode, code):
    options = {"ws_max_size": 100 if len(data) < 100 else 1 << 20}
    async with serving(echo, **options) as served, websocket(served, {EXTENSION: PLAIN}) as peer:
        peer.send(frame(opcode, data, reserved=DEFLATED))
        assert await peer.close_code() == code


async def test_compressed_message_may_be_some_streams():
    async with serving(echo) as served, websocket(served, {EXTENSION: PLAIN}) as peer:
        for _ in range(2):
            peer.send(frame(BINARY, ENDED_STREAM * 16 + b"\x00", reserved=DEFLATED))
            assert await peer.frame() == Frame(BINARY, b"")


async def test_compressed_message_of_exactly_the_largest_size():
    deflater = Deflater()
    async with (
        serving(echo, ws_max_size=1000) as served,
        websocket(served, {EXTENSION: PLAIN}) as peer,
    ):
        for content in (bytes(1000), b"a" * 1000):
            peer.send(frame(BINARY, deflater.compress(content), reserved=DEFLATED))
            assert deflater.decompress((await peer.frame()).payload) == content
        peer.send(frame(BINARY, deflater.compress(bytes(1001)), reserved=DEFLATED))
        assert (await peer.frame()).opcode == CLOSE


async def test_last_block_is_followed_by_messages_that_refer_to_what_was_before():
    content = b"some words that are found again"
    last = zlib.compressobj(wbits=-12)
    data = last.compress(content) + last.flush() + b"\x00"
    again = zlib.compressobj(wbits=-12, zdict=content)
    more = (again.compress(content) + again.flush(zlib.Z_SYNC_FLUSH))[:-4]
    deflater = Deflater()
    async with serving(echo) as served, websocket(served, {EXTENSION: PLAIN}) as peer:
        for sent in (data, more):
            peer.send(frame(BINARY, sent, reserved=DEFLATED))
            assert deflater.decompress((await peer.frame()).payload) == content
