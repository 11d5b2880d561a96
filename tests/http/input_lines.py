"""Inputs: line ends and the request line."""

from tests.http.inputs import HOST, NEXT, Input, accepted, get, refused


def first(line: bytes, lines: bytes = b"") -> bytes:
    return get(lines, first=line)


EMPTY = "too many empty lines before the request line"
LINE_END = "line not ended by CRLF"
METHOD = "invalid method"
TARGET = "invalid request target"
BYTE = "invalid byte in the request target"
AUTHORITY = "invalid host in the request target"
VERSION = "invalid HTTP version"
UNSUPPORTED = "unsupported HTTP version"
TOO_LONG = "request target too long"

LINE_ENDS = [
    accepted("plain GET", get()),
    accepted("two pipelined requests", get(then=NEXT), answers=2),
    accepted("one empty line before the request line", b"\r\n" + get()),
    accepted("two empty lines before the request line", b"\r\n\r\n" + get()),
    accepted("empty line between two requests", get(then=b"\r\n" + NEXT), answers=2),
    refused("three empty lines before the request line", b"\r\n\r\n\r\n" + get(), 400, EMPTY),
    refused("LF before the request line", b"\n" + get(), 400, LINE_END),
    refused("CR before the request line", b"\r" + get(), 400, LINE_END),
    refused("LF alone as line end", b"GET / HTTP/1.1\nHost: a\n\n", 400, LINE_END),
    refused("LF alone after the request line", b"GET / HTTP/1.1\n" + HOST + b"\r\n", 400, LINE_END),
    refused("CR alone after the request line", b"GET / HTTP/1.1\r" + HOST + b"\r\n", 400, LINE_END),
    refused("LF alone after a field line", get(b"X-A: b\nX-B: c\r\n"), 400, LINE_END),
    refused(
        "LF alone hides a Transfer-Encoding",
        get(b"X-A: b\nTransfer-Encoding: chunked\r\n"),
        400,
        LINE_END,
    ),
    refused("LF alone as the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, LINE_END),
    refused("CR alone as the empty line", b"GET / HTTP/1.1\r\nHost: a\r\n\rX", 400, LINE_END),
    refused(
        "TLS handshake",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
        400,
        "TLS handshake on a port without TLS",
        server={"log": "TLS"},
    ),
]

METHODS = [
    accepted(
        "HEAD",
        first(b"HEAD / HTTP/1.1") + NEXT,
        answers=2,
        head={"known_method": "HEAD"},
        server={"method": "HEAD", "answer_body": b"", "answer_headers": {b"content-length": b"5"}},
    ),
    accepted(
        "TRACE",
        first(b"TRACE / HTTP/1.1"),
        head={"known_method": "TRACE"},
        server={"method": "TRACE"},
    ),
    accepted(
        "unknown method FOO",
        first(b"FOO / HTTP/1.1"),
        head={"method": b"FOO", "known_method": None},
        server={"method": "FOO"},
    ),
    accepted(
        "unknown method M-SEARCH",
        first(b"M-SEARCH / HTTP/1.1"),
        head={"method": b"M-SEARCH"},
        server={"method": "M-SEARCH"},
    ),
    accepted("method of 32 bytes", first(b"A" * 32 + b" / HTTP/1.1"), head={"method": b"A" * 32}),
    refused("method of 33 bytes", first(b"A" * 33 + b" / HTTP/1.1"), 501, "method too long"),
    refused("method in lower case", first(b"get / HTTP/1.1"), 400, METHOD),
    refused("method with a lower-case letter", first(b"GEt / HTTP/1.1"), 400, METHOD),
    refused("method with (", first(b"G(T / HTTP/1.1"), 400, METHOD),
    refused("method with a byte above 0x7f", first(b"G\xc3T / HTTP/1.1"), 400, METHOD),
    refused("no method", first(b" / HTTP/1.1"), 400, METHOD),
    refused("method alone", first(b"GET"), 400, METHOD),
    refused("tab after the method", first(b"GET\t/ HTTP/1.1"), 400, METHOD),
    refused("two spaces after the method", first(b"GET  / HTTP/1.1"), 400, TARGET),
    refused("CONNECT", first(b"CONNECT a:443 HTTP/1.1"), 405, "CONNECT is not supported"),
    refused("CONNECT without a port", first(b"CONNECT a HTTP/1.1"), 400, TARGET),
    refused("CONNECT with a path", first(b"CONNECT / HTTP/1.1"), 400, TARGET),
]

VERSIONS = [
    refused("no version", b"GET /\r\n", 400, BYTE),
    refused("no version, but the space before it", b"GET / \r\n", 400, VERSION),
    refused("version 1.2", first(b"GET / HTTP/1.2"), 505, UNSUPPORTED),
    refused("version 2.0", first(b"GET / HTTP/2.0"), 505, UNSUPPORTED),
    refused("version 3.0", first(b"GET / HTTP/3.0"), 505, UNSUPPORTED),
    refused("version 0.9", first(b"GET / HTTP/0.9"), 505, UNSUPPORTED),
    refused("preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, UNSUPPORTED),
    refused("version in lower case", first(b"GET / http/1.1"), 400, VERSION),
    refused("version 1.10", first(b"GET / HTTP/1.10"), 400, VERSION),
    refused("version 01.1", first(b"GET / HTTP/01.1"), 400, VERSION),
    refused("version 1", first(b"GET / HTTP/1"), 400, VERSION),
    refused("version 1,1", first(b"GET / HTTP/1,1"), 400, VERSION),
    refused("version of another protocol", first(b"GET / ICY/1.1"), 400, VERSION),
    refused("space after the version", first(b"GET / HTTP/1.1 "), 400, VERSION),
    refused("two spaces before the version", first(b"GET /  HTTP/1.1"), 400, VERSION),
    refused("tab before the version", first(b"GET /\tHTTP/1.1"), 400, BYTE),
]

TARGETS = [
    accepted(
        "path and query",
        first(b"GET /a?b=c&d HTTP/1.1"),
        head={"path": b"/a", "query": b"b=c&d"},
        server={"path": "/a", "raw_path": b"/a", "query_string": b"b=c&d"},
    ),
    accepted(
        "empty query",
        first(b"GET /a? HTTP/1.1"),
        head={"path": b"/a", "query": b""},
        server={"query_string": b"", "raw_path": b"/a"},
    ),
    accepted(
        "query with ?",
        first(b"GET /a?b?c HTTP/1.1"),
        head={"query": b"b?c"},
        server={"query_string": b"b?c"},
    ),
    accepted(
        "what browsers leave as it is",
        first(b"GET /a'|[b]?\"<>\\^`{|} HTTP/1.1"),
        head={"path": b"/a'|[b]", "query": b'"<>\\^`{|}'},
    ),
    accepted(
        "escaped slash and letter",
        first(b"GET /a%2Fb%41 HTTP/1.1"),
        head={"path": b"/a%2Fb%41", "path_has_percent": True},
        server={"path": "/a/bA", "raw_path": b"/a%2Fb%41"},
    ),
    accepted(
        "percent in the query alone",
        first(b"GET /a?%41 HTTP/1.1"),
        head={"path_has_percent": False},
        server={"query_string": b"%41"},
    ),
    accepted(
        "percent without digits",
        first(b"GET /%zz HTTP/1.1"),
        head={"path": b"/%zz"},
        server={"path": "/%zz", "raw_path": b"/%zz"},
    ),
    accepted(
        "escaped NUL",
        first(b"GET /%00 HTTP/1.1"),
        head={"path": b"/%00"},
        server={"path": "/\0", "raw_path": b"/%00"},
    ),
    accepted(
        "escaped byte that is no UTF-8",
        first(b"GET /%FF HTTP/1.1"),
        head={"path": b"/%FF"},
        server={"path": "/\ufffd", "raw_path": b"/%FF"},
    ),
    accepted(
        "dot segments",
        first(b"GET /a/../b HTTP/1.1"),
        head={"path": b"/a/../b"},
        server={"path": "/a/../b"},
    ),
    accepted(
        "two slashes",
        first(b"GET //a HTTP/1.1"),
        head={"path": b"//a", "authority": b""},
        server={"path": "//a"},
    ),
    refused("byte above 0x7f in the target", first("GET /é HTTP/1.1".encode()), 400, BYTE),
    refused("control in the target", first(b"GET /\x01 HTTP/1.1"), 400, BYTE),
    refused("NUL in the target", first(b"GET /\0 HTTP/1.1"), 400, BYTE),
    refused("DEL in the target", first(b"GET /\x7f HTTP/1.1"), 400, BYTE),
    refused("control in the query", first(b"GET /?\x01 HTTP/1.1"), 400, BYTE),
    refused("fragment", first(b"GET /a#b HTTP/1.1"), 400, BYTE),
    refused("fragment behind a query", first(b"GET /a?b#c HTTP/1.1"), 400, BYTE),
    refused("space in the target", first(b"GET /a b HTTP/1.1"), 400, VERSION),
    refused("target without a slash", first(b"GET a HTTP/1.1"), 400, TARGET),
    accepted("target of 8 KiB", first(b"GET /" + b"a" * 8191 + b" HTTP/1.1")),
    refused(
        "target of 8 KiB and a byte",
        first(b"GET /" + b"a" * 8192 + b" HTTP/1.1"),
        414,
        TOO_LONG,
        server={"lingers": True},
    ),
    refused(
        "target of 64 KiB",
        first(b"GET /" + b"a" * 65536 + b" HTTP/1.1"),
        414,
        TOO_LONG,
        server={"lingers": True},
    ),
    refused(
        "query of 8 KiB",
        first(b"GET /?" + b"a" * 8192 + b" HTTP/1.1"),
        414,
        TOO_LONG,
        server={"lingers": True},
    ),
    refused(
        "host of 8 KiB",
        first(b"GET http://" + b"a" * 8192 + b"/ HTTP/1.1"),
        414,
        TOO_LONG,
        server={"lingers": True},
    ),
]

FORMS = [
    accepted(
        "absolute-form",
        first(b"GET http://b/x?y HTTP/1.1"),
        head={"form": "absolute", "authority": b"b", "path": b"/x", "query": b"y"},
        server={"path": "/x", "raw_path": b"/x", "query_string": b"y", "host": b"b"},
    ),
    accepted(
        "absolute-form with a port",
        first(b"GET HTTP://b:81/ HTTP/1.1"),
        head={"authority": b"b:81", "path": b"/"},
        server={"host": b"b:81", "path": "/"},
    ),
    accepted(
        "absolute-form with an IPv6 address",
        first(b"GET http://[::1]:81/%41 HTTP/1.1"),
        head={"authority": b"[::1]:81", "path": b"/%41", "path_has_percent": True},
        server={"host": b"[::1]:81", "path": "/A"},
    ),
    accepted(
        "absolute-form without a path",
        first(b"GET http://b HTTP/1.1"),
        head={"authority": b"b", "path": b"", "query": None},
        server={"host": b"b", "path": "/", "raw_path": b"/", "query_string": b""},
    ),
    accepted(
        "absolute-form with a query alone",
        first(b"GET http://b?q HTTP/1.1"),
        head={"authority": b"b", "path": b"", "query": b"q"},
        server={"host": b"b", "path": "/", "raw_path": b"/", "query_string": b"q"},
    ),
    accepted(
        "absolute-form with a URL in its query",
        first(b"GET http://b?http://c/ HTTP/1.1"),
        head={"authority": b"b", "query": b"http://c/"},
    ),
    accepted(
        "absolute-form for HTTPS", first(b"GET https://b/ HTTP/1.1"), head={"authority": b"b"}
    ),
    refused(
        "absolute-form without Host",
        get(first=b"GET http://b/ HTTP/1.1", host=b""),
        400,
        "Host is missing",
    ),
    refused("absolute-form without a host", first(b"GET http:///x HTTP/1.1"), 400, AUTHORITY),
    refused("absolute-form with a user", first(b"GET http://u@b/ HTTP/1.1"), 400, AUTHORITY),
    refused(
        "absolute-form with an invalid port", first(b"GET http://b:x/ HTTP/1.1"), 400, AUTHORITY
    ),
    refused("absolute-form with one slash", first(b"GET http:/b HTTP/1.1"), 400, TARGET),
    refused("absolute-form with an invalid scheme", first(b"GET 1http://b/ HTTP/1.1"), 400, TARGET),
    refused("scheme alone", first(b"GET http: HTTP/1.1"), 400, TARGET),
    accepted(
        "OPTIONS *",
        first(b"OPTIONS * HTTP/1.1"),
        head={"form": "asterisk", "path": b"*"},
        server={"path": "*", "raw_path": b"*"},
    ),
    refused("GET *", first(b"GET * HTTP/1.1"), 400, TARGET),
    refused("OPTIONS with * and more", first(b"OPTIONS *a HTTP/1.1"), 400, TARGET),
    refused("authority without CONNECT", first(b"GET a:443 HTTP/1.1"), 400, TARGET),
]

INPUTS: list[Input] = LINE_ENDS + METHODS + VERSIONS + TARGETS + FORMS
