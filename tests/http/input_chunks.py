"""Inputs: bodies in chunks, and their trailers."""

from tests.http.inputs import CHUNKED, Input, accepted, chunked, post, refused

SIZE = "invalid chunk size"
EXTENSION = "invalid chunk extension"
EXTENSIONS = "chunk extensions too large"
END = "chunk data not ended by CRLF"
LINE_END = "line not ended by CRLF"
TRAILER = "framing field in a trailer"
LAST = b"0\r\n\r\n"


def hello(name: str, body: bytes) -> Input:
    """Return an input whose first body is b"hello", and which has a second request."""
    return accepted(name, chunked(body), answers=2, body=b"hello")


def size(name: str, text: bytes, reason: str = SIZE) -> Input:
    return refused(name, chunked(text + b"\r\nhello\r\n" + LAST), 400, reason)


def trailer(name: str, lines: bytes, reason: str, status: int = 400) -> Input:
    return refused(name, chunked(b"5\r\nhello\r\n0\r\n" + lines + b"\r\n"), status, reason)


CHUNKS = [
    hello("one chunk", b"5\r\nhello\r\n" + LAST),
    hello("two chunks", b"2\r\nhe\r\n3\r\nllo\r\n" + LAST),
    hello("zeros before a size", b"0005\r\nhello\r\n000\r\n\r\n"),
    hello("size of 16 digits", b"0000000000000005\r\nhello\r\n" + LAST),
    accepted(
        "size in upper case",
        chunked(b"1A\r\n" + b"a" * 26 + b"\r\n" + LAST),
        answers=2,
        body=b"a" * 26,
    ),
    accepted(
        "size in lower case",
        chunked(b"1a\r\n" + b"a" * 26 + b"\r\n" + LAST),
        answers=2,
        body=b"a" * 26,
    ),
    accepted("no chunk but the last one", chunked(LAST), answers=2),
    accepted(
        "CRLF and a size as content",
        chunked(b"8\r\n\r\n0\r\n\r\n\n\r\n" + LAST),
        answers=2,
        body=b"\r\n0\r\n\r\n\n",
    ),
    size("size 0x5", b"0x5"),
    size("size -5", b"-5"),
    size("size +5", b"+5"),
    size("size 5_0", b"5_0"),
    size("size 2^64 + 5", b"10000000000000005"),
    size("size of 17 digits", b"00000000000000005"),
    size("size 2^63", b"8000000000000000"),
    size("size 2^64 - 1", b"FFFFFFFFFFFFFFFF"),
    size("empty size", b""),
    size("space before a size", b" 5"),
    size("size that is no digit", b"g"),
    size("space after a size", b"5 "),
    size("tab after a size", b"5\t"),
    size("two sizes", b"5 5"),
    size("space between size and extension", b"5 ;a=b"),
    refused(
        "two chunks of 2^63 - 1 together", chunked(b"1\r\na\r\n7FFFFFFFFFFFFFFF\r\n"), 400, SIZE
    ),
    refused("LF alone after a size", chunked(b"5\nhello\r\n" + LAST), 400, LINE_END),
    refused("CR alone after a size", chunked(b"5\rhello\r\n" + LAST), 400, LINE_END),
    refused("LF alone after data", chunked(b"5\r\nhello\n" + LAST), 400, END),
    refused("CR alone after data", chunked(b"5\r\nhello\r0\r\n\r\n"), 400, END),
    refused("data longer than its size", chunked(b"5\r\nhelloXX\r\n" + LAST), 400, END),
    refused("data without CRLF", chunked(b"5\r\nhello" + LAST), 400, END),
    refused("data shorter than its size", chunked(b"6\r\nhello\r\n" + LAST), 400, END),
    accepted(
        "chunks at the limit of a body",
        chunked(b"2\r\nhe\r\n3\r\nllo\r\n" + LAST),
        answers=2,
        body=b"hello",
        limits={"body_bytes_max": 5},
    ),
    refused(
        "chunks above the limit of a body",
        chunked(b"2\r\nhe\r\n4\r\nllo!\r\n" + LAST),
        413,
        "body too large",
        limits={"body_bytes_max": 5},
        server={"lingers": True},
    ),
]

EXTENSION_INPUTS = [
    hello("chunk extension", b"5;a=b\r\nhello\r\n" + LAST),
    hello("chunk extension without a value", b"5;a\r\nhello\r\n" + LAST),
    hello("chunk extension in quotes", b'5;a="b;c"\r\nhello\r\n0;d\r\n\r\n'),
    hello("blanks in a chunk extension", b"5; a\t= b \r\nhello\r\n" + LAST),
    hello("chunk extensions of 16 KiB", b"5;" + b"a" * 16382 + b"\r\nhello\r\n0;\r\n\r\n"),
    refused(
        "chunk extensions of 16 KiB and a byte",
        chunked(b"5;" + b"a" * 16382 + b"\r\nhello\r\n0;a\r\n\r\n"),
        400,
        EXTENSIONS,
    ),
    refused(
        "chunk extension of 20 KiB",
        chunked(b"5;" + b"a" * 20000 + b"\r\nhello\r\n" + LAST),
        400,
        EXTENSIONS,
    ),
    refused("LF in a chunk extension", chunked(b"5;a\nb\r\nhello\r\n" + LAST), 400, LINE_END),
    refused("CR in a chunk extension", chunked(b"5;a\rb\r\nhello\r\n" + LAST), 400, LINE_END),
    refused("NUL in a chunk extension", chunked(b"5;a\0b\r\nhello\r\n" + LAST), 400, EXTENSION),
]

TRAILERS = [
    accepted(
        "trailer",
        chunked(b"5\r\nhello\r\n0\r\nX-T: a\r\n\r\n"),
        answers=2,
        body=b"hello",
        server={"lacks_headers": [b"x-t"]},
    ),
    hello("trailer of two lines", b"5\r\nhello\r\n0\r\nX-T:a\r\nX-U: \tb \r\n\r\n"),
    hello(
        "trailer with a name longer than all known",
        b"5\r\nhello\r\n0\r\n" + b"a" * 99 + b": b\r\n\r\n",
    ),
    hello(
        "trailer with a name that begins like a framing field",
        b"5\r\nhello\r\n0\r\nTransfer-Encoding-And-More: b\r\n\r\n",
    ),
    trailer("trailer without a colon", b"X-T\r\n", "invalid field name"),
    trailer("trailer with a space in its name", b"X T\r\n", "space between field name and colon"),
    trailer("trailer with an empty name", b": b\r\n", "invalid field name"),
    trailer("trailer folded", b"X-T: a\r\n b\r\n", "folded field line"),
    trailer("trailer with NUL", b"X-T: a\0\r\n", "invalid byte in a field value"),
    trailer("trailer ended by LF alone", b"X-T: a\n", LINE_END),
    trailer("trailer ended by CR alone", b"X-T: a\rX-U: b\r\n", LINE_END),
    refused("LF alone after the last chunk", chunked(b"5\r\nhello\r\n0\r\n\n"), 400, LINE_END),
    refused("CR alone after the last chunk", chunked(b"5\r\nhello\r\n0\r\n\r"), 400, LINE_END),
    trailer("Content-Length in a trailer", b"Content-Length: 9\r\n", TRAILER),
    trailer("Transfer-Encoding in a trailer", b"transfer-encoding: chunked\r\n", TRAILER),
    trailer("Host in a trailer", b"HOST: b\r\n", TRAILER),
    trailer(
        "trailer line of 8 KiB and a byte",
        b"X-T: " + b"a" * 8188 + b"\r\n",
        "field line too long",
        431,
    ),
    trailer(
        "trailer above 32 KiB",
        (b"X-T: " + b"a" * 8000 + b"\r\n") * 5,
        "field lines too large together",
        431,
    ),
    trailer(
        "trailer of 999 lines beside two fields", b"X: b\r\n" * 999, "too many field lines", 431
    ),
    accepted(
        "trailer of 998 lines beside two fields",
        chunked(b"5\r\nhello\r\n0\r\n" + b"X: b\r\n" * 998 + b"\r\n"),
        answers=2,
        body=b"hello",
    ),
    refused(
        "head and trailer above 32 KiB",
        post(
            CHUNKED + (b"X-A: " + b"a" * 8000 + b"\r\n") * 4,
            b"0\r\nX-T: " + b"a" * 1000 + b"\r\n\r\n",
        ),
        431,
        "field lines too large together",
    ),
]

INPUTS: list[Input] = CHUNKS + EXTENSION_INPUTS + TRAILERS
