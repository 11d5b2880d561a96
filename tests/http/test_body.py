"""Bodies by length and in chunks, with every byte where a size, an extension or a trailer is."""

import pytest

from ngxloop.http.refusals import REASONS
from tests.http.parsing import events_of
from tests.support.randomness import printed_random

HOST = b"POST / HTTP/1.1\r\nHost: a\r\n"
CHUNKED = HOST + b"Transfer-Encoding: chunked\r\n\r\n"
EVERY_BYTE = [bytes([number]) for number in range(256)]
TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def body_of(*pieces: bytes) -> bytes | str | None:
    """Return the first body, why it is refused, or None if it is not complete."""
    body = b""
    for event in events_of(*pieces):
        if event[0] == "data":
            body += event[1]
        elif event[0] == "refused":
            return REASONS[event[1]]
        elif event[0] == "end":
            return body
    return None


def test_body_by_length_ends_where_it_says():
    data = b"a" * 100

    assert body_of(HOST + b"Content-Length: 100\r\n\r\n" + data) == data
    assert body_of(HOST + b"Content-Length: 100\r\n\r\n" + data + b"GET ") == data
    assert body_of(HOST + b"Content-Length: 101\r\n\r\n" + data) is None


def test_request_without_a_length_has_no_body():
    assert body_of(HOST + b"\r\n") == b""
    assert body_of(HOST + b"Content-Length: 0\r\n\r\n") == b""


def test_chunks_of_random_sizes_in_random_pieces_are_joined():
    random = printed_random()
    for _ in range(50):
        content, data = b"", CHUNKED
        for _ in range(random.randint(0, 20)):
            chunk = random.randbytes(random.choice((1, 2, 15, 16, 17, 255, 4096, 70_000)))
            content += chunk
            data += b"%x\r\n%b\r\n" % (len(chunk), chunk)
        data += b"0\r\n\r\n"
        cuts = [0, *sorted(random.randrange(len(data)) for _ in range(30)), len(data)]
        assert body_of(*(data[cuts[i] : cuts[i + 1]] for i in range(31))) == content


@pytest.mark.parametrize("before", [b"", b"1"], ids=["first", "second"])
def test_size_has_hexadecimal_digits_alone(before):
    for byte in EVERY_BYTE:
        size = before + byte
        result = body_of(CHUNKED + size + b"\r\n" + b"a" * 300)
        if byte in b"0123456789abcdefABCDEF":
            assert result in {None, "chunk data not ended by CRLF", "invalid field name"}, byte
        elif byte == b";" and before:
            assert result == "chunk data not ended by CRLF"
        else:
            assert result in {"invalid chunk size", "line not ended by CRLF"}, byte


def test_extension_has_no_controls_but_the_tab():
    for byte in EVERY_BYTE:
        result = body_of(CHUNKED + b"5;" + byte + b"\r\nhello\r\n0\r\n\r\n")
        if byte[0] == 0x7F or (byte[0] < 0x20 and byte != b"\t"):
            assert result in {"invalid chunk extension", "line not ended by CRLF"}, byte
        else:
            assert result == b"hello", byte


def test_trailer_has_the_bytes_of_a_field_line():
    for byte in EVERY_BYTE:
        named = body_of(CHUNKED + b"0\r\nx" + byte + b"y: v\r\n\r\n")
        assert (named == b"") == (byte in TOKEN or byte == b":"), byte
        valued = body_of(CHUNKED + b"0\r\nx: a" + byte + b"b\r\n\r\n")
        control = byte[0] == 0x7F or (byte[0] < 0x20 and byte != b"\t")
        assert (valued == b"") == (not control), byte


def test_data_may_have_any_byte():
    content = bytes(range(256))

    assert body_of(CHUNKED + b"100\r\n" + content + b"\r\n0\r\n\r\n") == content


@pytest.mark.parametrize("name", [b"host", b"Content-Length", b"TRANSFER-ENCODING"])
def test_trailer_with_a_framing_name_is_refused_at_its_colon(name):
    assert body_of(CHUNKED + b"0\r\n" + name) is None
    assert body_of(CHUNKED + b"0\r\n" + name + b":") == "framing field in a trailer"
    assert body_of(CHUNKED + b"0\r\n" + name + b"s: 1\r\n\r\n") == b""
    assert body_of(CHUNKED + b"0\r\n" + name[:-1] + b": 1\r\n\r\n") == b""


def test_body_that_is_not_complete_is_neither_ended_nor_refused():
    data = CHUNKED + b"5;a=b\r\nhello\r\n0\r\nX-T: a\r\n\r\n"

    assert {body_of(data[:size]) for size in range(len(data))} == {None}
    assert body_of(data) == b"hello"
