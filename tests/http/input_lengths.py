"""Inputs: Content-Length, Transfer-Encoding and both at once."""

from tests.http.inputs import CHUNKED, HOST, Input, accepted, last, post, refused

LENGTH = "invalid Content-Length"
TWO_LENGTHS = "more than one Content-Length"
CODING = "Transfer-Encoding other than chunked"
TWO_CODINGS = "more than one Transfer-Encoding"
BOTH = "both Content-Length and Transfer-Encoding"
VALUE = "invalid byte in a field value"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def length(value: bytes, body: bytes = b"hello") -> bytes:
    return post(b"Content-Length: " + value + b"\r\n", body)


def coding(value: bytes) -> bytes:
    return post(b"Transfer-Encoding: " + value + b"\r\n", HELLO)


LENGTHS = [
    accepted("Content-Length", length(b"5"), answers=2, body=b"hello", head={"content_length": 5}),
    accepted("Content-Length 0", length(b"0", b""), answers=2, head={"content_length": 0}),
    accepted("Content-Length with zeros before it", length(b"00005"), answers=2, body=b"hello"),
    accepted("Content-Length of 19 digits", length(b"0" * 18 + b"5"), answers=2, body=b"hello"),
    accepted(
        "body on GET",
        b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nhello"
        b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n",
        answers=2,
        body=b"hello",
    ),
    accepted("no length", post(b""), answers=2, head={"content_length": None}),
    accepted("blanks around Content-Length", length(b" \t5 \t"), answers=2, body=b"hello"),
    refused(
        "two equal Content-Lengths", post(b"Content-Length: 5\r\n" * 2, b"hello"), 400, TWO_LENGTHS
    ),
    refused(
        "two different Content-Lengths",
        post(b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello"),
        400,
        TWO_LENGTHS,
    ),
    refused("Content-Length 5, 5", length(b"5, 5"), 400, LENGTH),
    refused("Content-Length +5", length(b"+5"), 400, LENGTH),
    refused("Content-Length -1", length(b"-1"), 400, LENGTH),
    refused("Content-Length 0x5", length(b"0x5"), 400, LENGTH),
    refused("Content-Length 5_0", length(b"5_0"), 400, LENGTH),
    refused("Content-Length 5.0", length(b"5.0"), 400, LENGTH),
    refused("Content-Length with a space in it", length(b"5 5"), 400, LENGTH),
    refused("Content-Length of digits above 0x7f", length(b"\xd9\xa5"), 400, LENGTH),
    refused("empty Content-Length", length(b"", b""), 400, LENGTH),
    refused("Content-Length 2^64 + 5", length(b"18446744073709551621"), 400, LENGTH),
    refused("Content-Length 2^63", length(b"9223372036854775808"), 400, LENGTH),
    refused("Content-Length of 20 digits", length(b"0" * 19 + b"5"), 400, LENGTH),
    accepted(
        "Content-Length at the limit of a body",
        length(b"5"),
        answers=2,
        body=b"hello",
        limits={"body_bytes_max": 5},
    ),
    refused(
        "Content-Length above the limit of a body",
        length(b"6"),
        413,
        "body too large",
        limits={"body_bytes_max": 5},
        server={"lingers": True},
    ),
    refused(
        "Content-Length 2^63 - 1 above the limit of a body",
        length(b"9223372036854775807"),
        413,
        "body too large",
        limits={"body_bytes_max": 5},
        server={"lingers": True},
    ),
]

CODINGS = [
    accepted(
        "Transfer-Encoding: chunked",
        coding(b"chunked"),
        answers=2,
        body=b"hello",
        head={"is_chunked": True, "content_length": None},
    ),
    accepted("chunked in another case", coding(b"CHUNKED"), answers=2, body=b"hello"),
    accepted("blanks around chunked", coding(b"\t chunked\t "), answers=2, body=b"hello"),
    *(
        refused(f"Transfer-Encoding: {value.decode('latin-1')!a}", coding(value), 501, CODING)
        for value in (
            b"gzip",
            b"chunked, gzip",
            b"identity",
            b"xchunked",
            b'"chunked"',
            b"gzip, chunked",
            b"",
            b"chunked;a=b",
            b"chunked,",
            b",chunked",
            b"chunked, chunked",
            b"chunke",
            b"chunkedd",
            b"\x85chunked",
            b"chunked\xa0",
            b"chunked chunked",
        )
    ),
    refused("Transfer-Encoding twice", post(CHUNKED * 2, HELLO), 400, TWO_CODINGS),
    refused(
        "Transfer-Encoding twice, one unknown",
        post(CHUNKED + b"Transfer-Encoding: identity\r\n", HELLO),
        400,
        TWO_CODINGS,
    ),
    *(
        refused(f"control {value[0]:#04x} before chunked", coding(value + b"chunked"), 400, VALUE)
        for value in (b"\x0b", b"\x0c", b"\x1c")
    ),
    refused(
        "Transfer-Encoding in 1.0",
        b"POST / HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n" + HELLO,
        400,
        "Transfer-Encoding in HTTP/1.0",
    ),
    refused(
        "Transfer-Encoding before Content-Length",
        post(CHUNKED + b"Content-Length: 5\r\n", HELLO),
        400,
        BOTH,
    ),
    refused(
        "Content-Length before Transfer-Encoding",
        post(b"Content-Length: 5\r\n" + CHUNKED, HELLO),
        400,
        BOTH,
    ),
    refused(
        "Content-Length and an unknown Transfer-Encoding",
        post(b"Content-Length: 5\r\nTransfer-Encoding: gzip\r\n", HELLO),
        400,
        BOTH,
    ),
    last(
        "Content-Length in 1.0", b"POST / HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello", body=b"hello"
    ),
]

INPUTS: list[Input] = LENGTHS + CODINGS
