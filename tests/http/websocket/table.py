"""What an echoing server does with the frames of a client: a table.

The numbers are those of the Autobahn test suite's cases, which these follow: 1 framing, 2 pings,
3 reserved bits, 4 opcodes, 5 fragments, 6 UTF-8, 7 closing, 9 and 10 sizes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.http.websocket.frames import BINARY, CLOSE, PING, PONG, TEXT, Frame, close, frame, text

CONTINUATION = 0
HELLO = text("Hello")
KOSME = "κόσμε"
LONG = bytes(range(256)) * 257  # 65,792


class Case(NamedTuple):
    """Frames of a client, what comes back, and the code of the Close behind it.

    expected does not have the Close. code None: the client has sent an empty one.
    """

    id: str
    sent: bytes
    expected: Sequence[Frame]
    code: int | None = 1000


def echoed(*contents: str | bytes) -> list[Frame]:
    """Return messages as the server sends them."""
    return [
        Frame(TEXT, content.encode()) if isinstance(content, str) else Frame(BINARY, content)
        for content in contents
    ]


def pong(payload: bytes = b"") -> Frame:
    """Return the answer to a Ping."""
    return Frame(PONG, payload)


def good(number: str, *sent: bytes, expected: Sequence[Frame]) -> Case:
    """Return a case that the client ends."""
    return Case(number, b"".join(sent) + close(1000), expected)


def bad(number: str, *sent: bytes, expected: Sequence[Frame] = (), code: int = 1002) -> Case:
    """Return a case that ends with an error of the client; what follows the error is ignored."""
    return Case(number, b"".join(sent), expected, code)


def fragments(content: bytes, size: int, opcode: int = TEXT) -> Iterator[bytes]:
    """Yield a message in frames of a size."""
    pieces = [content[i : i + size] for i in range(0, len(content), size)] or [b""]
    for number, piece in enumerate(pieces):
        yield frame(opcode if number == 0 else CONTINUATION, piece, fin=number == len(pieces) - 1)


FRAMING = [
    *(
        good(f"1.1 {size}", text("*" * size), expected=echoed("*" * size))
        for size in (0, 1, 125, 126, 127, 128, 65535, 65536)
    ),
    *(
        good(f"1.2 {size}", frame(BINARY, LONG[:size]), expected=echoed(LONG[:size]))
        for size in (0, 1, 125, 126, 127, 128, 65535, 65536)
    ),
    bad("1 not masked", frame(TEXT, b"Hello", mask=None)),
    bad("1 not masked, empty", frame(TEXT, mask=None)),
    bad("1 Ping not masked", frame(PING, mask=None)),
    good("1 mask of zeros", text("Hello", mask=bytes(4)), expected=echoed("Hello")),
    bad("1 size 125 in two bytes", frame(TEXT, b"*" * 125, size_bytes=2)),
    bad("1 size 5 in eight bytes", frame(TEXT, b"Hello", size_bytes=8)),
    bad("1 size 65535 in eight bytes", frame(TEXT, b"*" * 65535, size_bytes=8)),
    bad("1 size of 64 bits", bytes([0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0]) + bytes(4)),
]

PINGS = [
    good("2.1", frame(PING), expected=[pong()]),
    good("2.2", frame(PING, b"Hello"), expected=[pong(b"Hello")]),
    good("2.3", frame(PING, bytes([0, 255, 254])), expected=[pong(bytes([0, 255, 254]))]),
    good("2.4", frame(PING, b"\xfe" * 125), expected=[pong(b"\xfe" * 125)]),
    bad("2.5", frame(PING, b"\xfe" * 126)),
    good("2.7", frame(PONG), expected=[]),
    good("2.8", frame(PONG, b"unsolicited"), expected=[]),
    good("2.9", frame(PONG, b"unsolicited"), frame(PING, b"a"), expected=[pong(b"a")]),
    good(
        "2.10",
        *(frame(PING, b"%d" % i) for i in range(10)),
        expected=[pong(b"%d" % i) for i in range(10)],
    ),
]

RESERVED = [
    bad("3.1", text("Hello", reserved=1)),
    bad("3.2", HELLO, text("*", reserved=2), frame(PING), expected=echoed("Hello")),
    bad("3.3", HELLO, text("*", reserved=3), frame(PING), expected=echoed("Hello")),
    bad("3.4", HELLO, text("*", reserved=4), frame(PING), expected=echoed("Hello")),
    bad("3.5", frame(BINARY, b"\x00", reserved=5)),
    bad("3.6", frame(PING, b"Hello", reserved=6)),
    bad("3.7", frame(CLOSE, reserved=7)),
    bad("3 continuation", text("a", fin=False), frame(CONTINUATION, b"b", reserved=4)),
]

OPCODES = [
    *(bad(f"4.1 {opcode}", frame(opcode), frame(PING)) for opcode in (3, 4, 5, 6, 7)),
    *(bad(f"4.2 {opcode}", frame(opcode), frame(PING)) for opcode in (11, 12, 13, 14, 15)),
    *(
        bad(f"4 {opcode} later", HELLO, frame(opcode, b"a"), frame(PING), expected=echoed("Hello"))
        for opcode in (5, 13)
    ),
]

FRAGMENTS = [
    bad("5.1", frame(PING, b"a", fin=False), frame(CONTINUATION, b"b")),
    bad("5.2", frame(PONG, b"a", fin=False), frame(CONTINUATION, b"b")),
    bad("5 Close", frame(CLOSE, fin=False)),
    good("5.3", *fragments(b"fragment1fragment2", 9), expected=echoed("fragment1fragment2")),
    good(
        "5.6",
        text("fragment1", fin=False),
        frame(PING, b"ping"),
        frame(CONTINUATION, b"fragment2"),
        expected=[pong(b"ping"), *echoed("fragment1fragment2")],
    ),
    bad("5.9", frame(CONTINUATION, b"x"), HELLO),
    bad("5.12", frame(CONTINUATION, b"x", fin=False), HELLO),
    bad(
        "5.15",
        *fragments(b"fragment1fragment2", 9),
        frame(CONTINUATION, b"x", fin=False),
        HELLO,
        expected=echoed("fragment1fragment2"),
    ),
    bad("5.18", text("a", fin=False), text("b")),
    bad("5 binary in text", text("a", fin=False), frame(BINARY, b"b", fin=False)),
    good(
        "5.19",
        text("f1", fin=False),
        frame(CONTINUATION, b"f2", fin=False),
        frame(PING, b"p1"),
        frame(CONTINUATION, b"f3", fin=False),
        frame(CONTINUATION, fin=False),
        frame(PING, b"p2"),
        frame(CONTINUATION, b"f5"),
        expected=[pong(b"p1"), pong(b"p2"), *echoed("f1f2f3f5")],
    ),
    good(
        "5 two messages",
        *fragments(b"abcdef", 1, BINARY),
        *fragments(b"ghi", 2),
        expected=echoed(b"abcdef", "ghi"),
    ),
    good(
        "5 an empty end",
        text("abc", fin=False),
        frame(CONTINUATION),
        expected=echoed("abc"),
    ),
]

# RFC 3629, and what Markus Kuhn's test file for decoders has.
VALID_TEXTS = (
    KOSME, "Hello-µ@ßöäüàá-UTF-8!!", "\0", "\x7f", "\x80", "\u07ff", "\u0800", "\ud7ff", "\ue000",
    "\ufffd", "\ufffe", "\uffff", "\U00010000", "\U0001fffe", "\U0010ffff", "a" * 13 + "€" * 5,
)  # fmt: skip
INVALID_TEXTS = (
    "cebae1bdb9cf83cebcceb5f4908080656469746564",  # above U+10FFFF within a text
    "f8888080", "fc84808080", "fe", "ff", "80", "bf", "8080", "808080",
    "c0", "c1", "c080", "c1bf", "c0af", "e08080", "e09fbf", "f0808080", "f08fbfbf",
    "eda080", "edadbf", "edae80", "edbfbf", "eda080edb080", "f4908080", "f7bfbfbf",
    "c220", "e28220", "f09f9820", "c2c2", "e282c2", "61c2", "e282", "f09f98", "ce",
)  # fmt: skip

UTF8 = [
    good("6.1.1", text(""), expected=echoed("")),
    good("6.1.2", *(frame(op, fin=op == 0) for op in (TEXT, 0)), expected=echoed("")),
    good(
        "6.1.3",
        frame(TEXT, fin=False),
        frame(CONTINUATION, b"middle", fin=False),
        frame(CONTINUATION),
        expected=echoed("middle"),
    ),
    *(good(f"6.2 {content!a}", text(content), expected=echoed(content)) for content in VALID_TEXTS),
    *(
        good(f"6.2 {content!a} by bytes", *fragments(content.encode(), 1), expected=echoed(content))
        for content in VALID_TEXTS
    ),
    *(
        bad(f"6.3 {content}", frame(TEXT, bytes.fromhex(content)), code=1007)
        for content in INVALID_TEXTS
    ),
    *(
        bad(f"6.3 {content} by bytes", *fragments(bytes.fromhex(content), 1), code=1007)
        for content in INVALID_TEXTS
    ),
    good("6 no text", frame(BINARY, b"\xff\xfe"), expected=echoed(b"\xff\xfe")),
    # The rest of the message never comes: the first wrong byte is enough.
    bad("6.4.1", text(KOSME, fin=False), frame(CONTINUATION, b"\xf4\x90", fin=False), code=1007),
    bad("6.4.3", bytes([0x81, 0x85]) + frame(TEXT, b"\xce\xff")[2:], code=1007),
]

VALID_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999,
               4000, 4999)  # fmt: skip
INVALID_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)

CLOSING = [
    good("7.1.1", HELLO, expected=echoed("Hello")),
    good("7.1.2", close(1000), expected=[]),
    good("7.1.3", close(1000), frame(PING), expected=[]),
    good("7.1.4", close(1000), HELLO, expected=[]),
    good("7.1.5", text("a", fin=False), close(1000), frame(CONTINUATION, b"b"), expected=[]),
    good("7.1.6", text("*" * 65536), HELLO, expected=echoed("*" * 65536, "Hello")),
    Case("7.3.1", close(), [], None),
    bad("7.3.2", frame(CLOSE, b"a")),
    Case("7.3.3", close(1000), []),
    Case("7.3.4", close(1000, b"Hello World!"), []),
    Case("7.3.5", close(1000, b"*" * 123), []),
    bad("7.3.6", close(1000, b"*" * 124)),
    bad("7.5.1", close(1000, b"\xce\xba\xe1\xbd\xb9\xf4\x90\x80\x80"), code=1007),
    bad("7.5 cut short", close(1000, b"\xce"), code=1007),
    *(Case(f"7.7 {code}", close(code), [], code) for code in VALID_CODES),
    *(bad(f"7.9 {code}", close(code)) for code in INVALID_CODES),
]

SIZES = [
    *(
        good(
            f"9 {size} in {piece}",
            *fragments(b"*" * size, piece, opcode),
            expected=echoed("*" * size if opcode == TEXT else b"*" * size),
        )
        for size, piece in ((1 << 20, 1 << 20), (1 << 20, 65536), (1 << 18, 256), (1 << 16, 64))
        for opcode in (TEXT, BINARY)
    ),
    good("10.1.1", *fragments(LONG, 1300, BINARY), expected=echoed(LONG)),
]

SHORT = [*FRAMING, *PINGS, *RESERVED, *OPCODES, *FRAGMENTS, *UTF8, *CLOSING]
CASES = [*SHORT, *SIZES]
