"""The request line, with every byte in every part."""

import pytest

from tests.http.parsing import head_of, result_of

TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
EVERY_BYTE = [bytes([number]) for number in range(256)]


def request(line: bytes) -> bytes:
    return line + b"\r\nHost: a\r\n\r\n"


def taken(lines: list[bytes]) -> list[bytes]:
    """Return those of EVERY_BYTE with which the line of the same index is taken."""
    return [
        byte
        for byte, line in zip(EVERY_BYTE, lines, strict=True)
        if isinstance(result_of(request(line)), dict)
    ]


def test_method_is_a_token_without_lower_case_letters():
    lines = [b"G" + byte + b"T / HTTP/1.1" for byte in EVERY_BYTE]

    assert taken(lines) == [byte for byte in EVERY_BYTE if byte in TOKEN and not byte.islower()]


def test_method_begins_with_any_byte_of_it():
    lines = [byte + b"GET / HTTP/1.1" for byte in EVERY_BYTE]

    assert taken(lines) == [byte for byte in EVERY_BYTE if byte in TOKEN and not byte.islower()]


@pytest.mark.parametrize(
    "start", [b"/a", b"/", b"/a?b", b"/?", b"http://b/c", b"http://b?c"], ids=repr
)
def test_target_has_visible_bytes_but_the_number_sign(start):
    lines = [b"GET " + start + byte + b"x HTTP/1.1" for byte in EVERY_BYTE]

    assert taken(lines) == [
        byte for byte in EVERY_BYTE if 0x21 <= byte[0] <= 0x7E and byte not in b"#"
    ]


def test_only_digits_one_and_zero_behind_the_dot_make_a_version():
    lines = [b"GET / HTTP/1." + byte for byte in EVERY_BYTE]

    assert taken(lines) == [b"0", b"1"]


@pytest.mark.parametrize("place", range(5, 8))
def test_version_is_unsupported_with_digits_and_invalid_with_anything_else(place):
    for byte in EVERY_BYTE:
        version = b"HTTP/3.3"[:place] + byte + b"HTTP/3.3"[place + 1 :]
        result = result_of(request(b"GET / " + version))
        if byte == b"." if place == 6 else byte.isdigit():
            assert result == "unsupported HTTP version", byte
        else:
            assert result in {"invalid HTTP version", "line not ended by CRLF"}, byte


@pytest.mark.parametrize(
    "method",
    [b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH"],
)
def test_method_is_known_by_its_whole_name_alone(method):
    if method == b"CONNECT":
        assert result_of(request(b"CONNECT a:1 HTTP/1.1")) == "CONNECT is not supported"
    else:
        assert head_of(request(method + b" / HTTP/1.1"))["known_method"] == method.decode()
    for other in (method[:-1], method + b"X", method[:-1] + b"_", b"_" + method[1:]):
        if other:
            head = head_of(request(other + b" / HTTP/1.1"))
            assert (head["known_method"], head["method"]) == (None, other)


def test_request_line_that_is_not_complete_is_neither_taken_nor_refused():
    line = b"OPTIONS /a%20b?c=d HTTP/1.1\r\n"

    assert {result_of(line[:size]) for size in range(len(line))} == {None}


def test_reasons_come_as_early_as_the_byte_that_is_wrong():
    for line in (b"GET / HTTQ", b"GET / HTTP/1.1\n", b"G\r", b"GET \x01", b"\x16", b"A" * 33):
        assert result_of(line[:-1]) is None
        assert isinstance(result_of(line), str)
