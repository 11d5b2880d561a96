"""Inputs: field lines, Host, and the limits of a head."""

from tests.http.inputs import HOST, Input, accepted, get, refused

NAME = "invalid field name"
VALUE = "invalid byte in a field value"
LINE_END = "line not ended by CRLF"
SPACE = "space between field name and colon"
FOLDED = "folded field line"
LONG_LINE = "field line too long"
LARGE = "field lines too large together"
MANY = "too many field lines"
BAD_HOST = "invalid Host"

VALUES = [
    accepted(
        "empty value",
        get(b"X-A:\r\n"),
        head={"fields": [(b"Host", b"a"), (b"X-A", b"")]},
        server={"headers": [(b"x-a", b"")]},
    ),
    accepted(
        "value of blanks",
        get(b"X-A: \t \r\n"),
        head={"fields": [(b"Host", b"a"), (b"X-A", b"")]},
        server={"headers": [(b"x-a", b"")]},
    ),
    accepted(
        "tab and space around a value",
        get(b"X-A:\t b\t \r\n"),
        head={"fields": [(b"Host", b"a"), (b"X-A", b"b")]},
        server={"headers": [(b"x-a", b"b")]},
    ),
    accepted(
        "no space before a value",
        get(b"X-A:b\r\n"),
        head={"fields": [(b"Host", b"a"), (b"X-A", b"b")]},
        server={"headers": [(b"x-a", b"b")]},
    ),
    accepted(
        "tab and colon within a value",
        get(b"X-A: b\t:c\r\n"),
        head={"fields": [(b"Host", b"a"), (b"X-A", b"b\t:c")]},
        server={"headers": [(b"x-a", b"b\t:c")]},
    ),
    accepted(
        "bytes above 0x7f in a value",
        get(b"X-A: \xc3\xa9\x80\xff\r\n"),
        head={"fields": [(b"Host", b"a"), (b"X-A", b"\xc3\xa9\x80\xff")]},
        server={"headers": [(b"x-a", b"\xc3\xa9\x80\xff")]},
    ),
    accepted(
        "two fields of one name",
        get(b"X-A: 1\r\nx-a: 2\r\n"),
        head={"fields": [(b"Host", b"a"), (b"X-A", b"1"), (b"x-a", b"2")]},
        server={"headers": [(b"x-a", b"1"), (b"x-a", b"2")]},
    ),
    refused("CR alone in a value", get(b"X-A: b\rc\r\n"), 400, LINE_END),
    refused("two CR after a value", get(b"X-A: b\r\r\n"), 400, LINE_END),
    refused("NUL in a value", get(b"X-A: b\0c\r\n"), 400, VALUE),
    refused("control 0x01 in a value", get(b"X-A: b\x01c\r\n"), 400, VALUE),
    refused("control 0x0b in a value", get(b"X-A: b\x0bc\r\n"), 400, VALUE),
    refused("control 0x1f in a value", get(b"X-A: b\x1fc\r\n"), 400, VALUE),
    refused("control 0x01 as a value", get(b"X-A:\x01\r\n"), 400, VALUE),
    refused("DEL in a value", get(b"X-A: b\x7fc\r\n"), 400, VALUE),
    refused("folded line", get(b"X-A: b\r\n c\r\n"), 400, FOLDED),
    refused("line folded with a tab", get(b"X-A: b\r\n\tc\r\n"), 400, FOLDED),
    refused("folded line without content", get(b"X-A: b\r\n \r\n"), 400, FOLDED),
    refused("space-led line after the request line", get(host=b" X: y\r\n" + HOST), 400, FOLDED),
]

NAMES = [
    accepted(
        "every byte that a name may have",
        get(b"!#$%&'*+-.^`|~09AZaz: b\r\n"),
        head={"fields": [(b"Host", b"a"), (b"!#$%&'*+-.^`|~09AZaz", b"b")]},
        server={"headers": [(b"!#$%&'*+-.^`|~09azaz", b"b")]},
    ),
    accepted(
        "underscore in a name",
        get(b"X_A: b\r\n"),
        head={"fields": [(b"Host", b"a"), (b"X_A", b"b")]},
        server={"headers": [(b"x_a", b"b")]},
    ),
    accepted(
        "underscore in a name, with the option",
        get(b"X_A: b\r\nX-A: c\r\n"),
        limits={"drops_underscores": 1},
        head={"fields": [(b"Host", b"a"), (b"X-A", b"c")]},
        server={"headers": [(b"x-a", b"c")], "lacks_headers": [b"x_a"]},
    ),
    refused("byte above 0x7f in a name", get(b"X-\xc3: b\r\n"), 400, NAME),
    refused("( and ) in a name", get(b"X(A): b\r\n"), 400, NAME),
    refused("NUL in a name", get(b"X\0A: b\r\n"), 400, NAME),
    refused("CR in a name", get(b"X\rA: b\r\n"), 400, NAME),
    refused("CR in place of the dash of a known name", get(b"Content\rLength: 5\r\n"), 400, NAME),
    refused("space before the colon", get(b"X-A : b\r\n"), 400, SPACE),
    refused("tab before the colon", get(b"X-A\t: b\r\n"), 400, SPACE),
    refused(
        "space before the colon of Transfer-Encoding",
        get(b"Transfer-Encoding : chunked\r\n"),
        400,
        SPACE,
    ),
    refused("space in a name", get(b"X A: b\r\n"), 400, SPACE),
    refused("empty name", get(b": b\r\n"), 400, NAME),
    refused("line without a colon", get(b"X-A\r\n"), 400, NAME),
    refused("line without a colon, ended by LF", get(b"X-A\n"), 400, LINE_END),
]


def host(value: bytes) -> bytes:
    return get(host=b"Host: " + value + b"\r\n")


HOSTS = [
    refused("no Host in 1.1", get(host=b""), 400, "Host is missing"),
    Input(
        "no Host in 1.0",
        get(first=b"GET / HTTP/1.0", host=b""),
        (200,),
        closes=True,
        server={"http_version": "1.0"},
    ),
    refused("two Hosts", get(b"Host: b\r\n"), 400, "more than one Host"),
    refused("two equal Hosts", get(b"Host: a\r\n"), 400, "more than one Host"),
    refused(
        "two Hosts in 1.0", get(b"Host: b\r\n", first=b"GET / HTTP/1.0"), 400, "more than one Host"
    ),
    accepted("empty Host", host(b""), server={"host": b""}),
    accepted("Host with a port", host(b"a.example:8000"), server={"host": b"a.example:8000"}),
    accepted("Host with an empty port", host(b"a:")),
    accepted("Host with the largest port", host(b"a:65535")),
    accepted("IPv6 address as Host", host(b"[::1]:8000"), server={"host": b"[::1]:8000"}),
    accepted("dot at the end of Host", host(b"a.example.")),
    accepted("every byte that a Host may have", host(b"aZ09-._~!$&'()*+,;=%")),
    refused("Host with a slash", host(b"a/b"), 400, BAD_HOST),
    refused("Host with a user", host(b"a@b"), 400, BAD_HOST),
    refused("Host with a space", host(b"a b"), 400, BAD_HOST),
    refused("Host with a query", host(b"a?b"), 400, BAD_HOST),
    refused("Host with a fragment", host(b"a#b"), 400, BAD_HOST),
    refused("Host with a backslash", host(b"a\\b"), 400, BAD_HOST),
    refused("Host with a byte above 0x7f", host(b"\xc3\xa9"), 400, BAD_HOST),
    refused("Host with two dots", host(b"a..b"), 400, BAD_HOST),
    refused("dot as Host", host(b"."), 400, BAD_HOST),
    refused("port without a host", host(b":80"), 400, BAD_HOST),
    refused("Host with letters as port", host(b"a:b"), 400, BAD_HOST),
    refused("Host with two ports", host(b"a:1:2"), 400, BAD_HOST),
    refused("Host with port 65536", host(b"a:65536"), 400, BAD_HOST),
    refused("IPv6 address without the end", host(b"[::1"), 400, BAD_HOST),
    refused("IPv6 address with more behind it", host(b"[::1]a"), 400, BAD_HOST),
    refused("brackets with nothing in them", host(b"[]"), 400, BAD_HOST),
    refused(
        "invalid Host beside an absolute-form",
        get(first=b"GET http://a/ HTTP/1.1", host=b"Host: a/b\r\n"),
        400,
        BAD_HOST,
    ),
]


def line(size: int) -> bytes:
    """Return a field line of a size, its line end not counted."""
    return b"X-A: " + b"a" * (size - 5) + b"\r\n"


def lines(count: int) -> bytes:
    return b"".join(b"X-%d: b\r\n" % i for i in range(count))


# Field lines that are 32 KiB together with Host and the empty line.
ALL = line(8190) + line(8190) + line(8190) + line(8192 - 11 - len(HOST))

LIMITS = [
    accepted("field line of 8 KiB", get(line(8192))),
    refused(
        "field line of 8 KiB and a byte", get(line(8193)), 431, LONG_LINE, server={"lingers": True}
    ),
    refused("field line of 16 KiB", get(line(16384)), 431, LONG_LINE, server={"lingers": True}),
    refused("field line of 200 KiB", get(line(200_000)), 431, LONG_LINE, server={"lingers": True}),
    refused(
        "field name of 16 KiB",
        get(b"a" * 16384 + b": b\r\n"),
        431,
        LONG_LINE,
        server={"lingers": True},
    ),
    refused(
        "16 KiB of blanks before a value",
        get(b"X-A:" + b" " * 16384 + b"b\r\n"),
        431,
        LONG_LINE,
        server={"lingers": True},
    ),
    accepted("field lines of 32 KiB", get(ALL + b"X: bb\r\n")),
    refused(
        "field lines of 32 KiB and a byte",
        get(ALL + b"X: bbb\r\n"),
        431,
        LARGE,
        server={"lingers": True},
    ),
    accepted("300 fields", get(lines(300))),
    accepted("1000 fields", get(lines(999))),
    refused("1001 fields", get(lines(1000)), 431, MANY, server={"lingers": True}),
    refused("3000 fields", get(lines(3000)), 431, MANY, server={"lingers": True}),
    refused("three fields, two allowed", get(lines(2)), 431, MANY, limits={"field_count_max": 2}),
]

INPUTS: list[Input] = VALUES + NAMES + HOSTS + LIMITS
