"""Inputs at random: requests put together from odd parts, and known inputs that are altered."""

import random
from collections.abc import Callable, Sequence

USUAL_METHODS = (b"GET", b"POST", b"HEAD")
METHODS = (
    b"GET", b"GET", b"GET", b"POST", b"POST", b"HEAD", b"OPTIONS", b"CONNECT", b"FOO", b"get",
    b"",
)  # fmt: skip
TARGETS = (
    b"/", b"/", b"/a?b=c", b"*", b"http://b/c?d", b"http://b", b"a:443", b"a", b"/%00", b"/a#b",
    b"//a", b"/\xe9", b"/a b", b"", b"http://u@b/", b"/'\"<>|{}", b"http://[::1]:80/",
)  # fmt: skip
VERSIONS = (
    b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.0", b"HTTP/2.0",
    b"HTTP/1.2", b"HTTP/1.10", b"http/1.1", b"HTTP/1", b"",
)  # fmt: skip
NAMES = (
    b"Host", b"Host", b"Content-Length", b"Content-Length", b"Transfer-Encoding",
    b"Transfer-Encoding", b"Connection", b"Connection", b"Expect", b"Upgrade", b"TE", b"X-A",
    b"x_a", b"Cookie", b"Trailer", b"Proxy-Connection", b"", b"X(A", b"X\xc3", b"X A", b" X",
    b"Content\rLength",
)  # fmt: skip
VALUES = (
    b"a", b"a", b"5", b"5", b"0", b"chunked", b"chunked", b"close", b"keep-alive", b"upgrade",
    b"websocket", b"h2c", b"100-continue", b"trailers", b"gzip, chunked", b"chunked, gzip",
    b"5, 5", b"+5", b"-5", b"0x5", b"005", b"18446744073709551621", b"a/b", b"a@b", b"[::1]:80",
    b"a:b", b"", b"b\tc", b"b\x01", b"b\x7f", b"\xc3\xa9", b"keep-alive, close", b"Upgrade, x",
    b"CHUNKED", b"\x0bchunked", b"chunked\xa0", b"\"a, b\"",
)  # fmt: skip
COLONS = (b": ", b": ", b": ", b": ", b":", b" : ", b":\t", b": \t ", b"", b"::")
LINE_ENDS = (b"\r\n",) * 24 + (
    b"\n",
    b"\r",
    b"\r\n ",
    b" \r\n",
    b"\t\r\n",
    b"\r\r\n",
    b"\r\n\r\n",
    b"\n\r",
)
SIZES = (
    b"5", b"5", b"5", b"5;a=b", b"5;", b"05", b"5 ", b"5 ;a", b"+5", b"0x5", b"-5", b"", b"6",
    b"4", b"A", b"a", b"ffffffffffffffff", b"10000000000000005", b"00000000000000005", b"5;a\"\r",
    b"5;\x01", b"5\t",
)  # fmt: skip
# What decides most where it is put in.
BYTES = (
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\x00", b" ", b"\t", b":", b",", b";", b"\x7f", b"\x80",
    b"\xff", b"0", b"5", b"f", b"g", b"\x0b", b"\x1f", b"#", b"?", b"%", b"_", b"-", b"/", b"@",
    b"[", b"]", b"\"", b".",
)  # fmt: skip

Mutation = Callable[["Generator", bytes], bytes]


class Generator:
    """Makes inputs of a few requests; those that are known can be altered and put together."""

    def __init__(self, seed: int, known: Sequence[bytes]) -> None:
        self.random = random.Random(seed)
        self.known = list(known)

    def input(self) -> bytes:
        """Return the next input."""
        if self.random.random() < 0.5:
            data = b"".join(self.request() for _ in range(self.random.randint(1, 3)))
        else:
            data = self.random.choice(self.known)
        while self.random.random() < 0.6:
            data = self.random.choice(MUTATIONS)(self, data)
        return data

    def cuts(self, data: bytes) -> list[bytes]:
        """Return data in random pieces."""
        places = sorted(
            self.random.randrange(len(data) + 1) for _ in range(self.random.randint(1, 6))
        )
        edges = [0, *places, len(data)]
        return [data[edges[i] : edges[i + 1]] for i in range(len(edges) - 1)]

    def odd(self, usual: bytes, choices: Sequence[bytes]) -> bytes:
        """Return what is usual, and now and then another choice."""
        return usual if self.random.random() < 0.7 else self.random.choice(choices)

    def line_end(self) -> bytes:
        return self.odd(b"\r\n", LINE_ENDS)

    def request(self) -> bytes:
        choice = self.random.choice
        line = b" ".join(
            [
                self.odd(choice(METHODS[:5]), METHODS),
                self.odd(b"/", TARGETS),
                self.odd(b"HTTP/1.1", VERSIONS),
            ]
        )
        fields = [self.field(b"Host", b"a")] if self.random.random() < 0.9 else []
        fields += [
            self.field(choice(NAMES), choice(VALUES)) for _ in range(self.random.randint(0, 3))
        ]
        body = self.body(fields)
        self.random.shuffle(fields)
        return line + self.line_end() + b"".join(fields) + self.line_end() + body

    def field(self, name: bytes, value: bytes) -> bytes:
        return name + self.odd(b": ", COLONS) + value + self.line_end()

    def body(self, fields: list[bytes]) -> bytes:
        """Return a body, and add the field that says how long it is."""
        kind = self.random.random()
        if kind < 0.3:
            fields.append(self.field(b"Content-Length", self.odd(b"5", VALUES)))
            return b"hello"
        if kind < 0.7:
            fields.append(self.field(b"Transfer-Encoding", self.odd(b"chunked", VALUES)))
            return self.chunks()
        return b""

    def chunks(self) -> bytes:
        chunk = b"".join(
            self.odd(b"5", SIZES) + self.line_end() + b"hello" + self.line_end()
            for _ in range(self.random.randint(0, 3))
        )
        trailer = b""
        if self.random.random() < 0.3:
            trailer = self.field(self.random.choice(NAMES), self.random.choice(VALUES))
        return chunk + b"0" + self.line_end() + trailer + self.line_end()

    def place(self, data: bytes) -> int:
        return self.random.randrange(len(data) + 1)


def insert(make: Generator, data: bytes) -> bytes:
    place = make.place(data)
    return data[:place] + make.random.choice(BYTES) + data[place:]


def replace(make: Generator, data: bytes) -> bytes:
    place = make.place(data)
    return data[:place] + make.random.choice(BYTES) + data[place + 1 :]


def flip_bit(make: Generator, data: bytes) -> bytes:
    if not data:
        return data
    place = make.random.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << make.random.randrange(8)]) + data[place + 1 :]


def remove(make: Generator, data: bytes) -> bytes:
    start = make.place(data)
    return data[:start] + data[start + make.random.choice((1, 1, 1, 2, 4, 16)) :]


def repeat(make: Generator, data: bytes) -> bytes:
    start, end = sorted((make.place(data), make.place(data)))
    return data[:end] + data[start:end] + data[end:]


def repeat_line(make: Generator, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    line = make.random.choice(lines)
    place = make.random.randrange(len(lines) + 1)
    return b"\r\n".join([*lines[:place], line, *lines[place:]])


def remove_line(make: Generator, data: bytes) -> bytes:
    lines = data.split(b"\r\n")
    lines.pop(make.random.randrange(len(lines)))
    return b"\r\n".join(lines)


def splice(make: Generator, data: bytes) -> bytes:
    other = make.random.choice(make.known)
    return data[: make.place(data)] + other[make.place(other) :]


def append_request(make: Generator, data: bytes) -> bytes:
    return data + make.request()


def cut_short(make: Generator, data: bytes) -> bytes:
    return data[: make.place(data)]


MUTATIONS: tuple[Mutation, ...] = (
    insert, insert, replace, replace, flip_bit, remove, repeat, repeat_line, remove_line, splice,
    append_request, cut_short,
)  # fmt: skip
