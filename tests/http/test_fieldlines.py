"""Field lines, with every byte in every part, and their limits."""

import pytest

from tests.http.parsing import head_of, result_of

TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
EVERY_BYTE = [bytes([number]) for number in range(256)]
START = b"GET / HTTP/1.1\r\nHost: a\r\n"
# Lines that the sixteen bytes of a block cut at all places.
SIZES = [*range(1, 36), 63, 64, 65]


def request(line: bytes) -> bytes:
    return START + line + b"\r\n\r\n"


@pytest.mark.parametrize("before", [b"", b"X", b"X-Long-Header-Name-Of-More-Than-A-Block-"])
def test_name_is_a_token(before):
    for byte in EVERY_BYTE:
        result = result_of(request(before + byte + b"y: v"))
        assert isinstance(result, dict) == (byte in TOKEN or (byte == b":" and before != b"")), byte


@pytest.mark.parametrize("name", [b"content-length", b"sec-websocket-key", b"te"])
def test_known_name_with_another_byte_in_it_is_not_known(name):
    for place in range(len(name)):
        for byte in EVERY_BYTE:
            if byte.lower() != name[place : place + 1] and byte in TOKEN:
                other = name[:place] + byte + name[place + 1 :]
                head = head_of(request(other + b": 5"))
                assert head["fields"][1] == (other, b"5")
                assert head["content_length"] is None


@pytest.mark.parametrize("before", [b"", b"a", b"value longer than the bytes of a block "])
def test_value_has_no_controls_but_the_tab(before):
    for byte in EVERY_BYTE:
        result = result_of(request(b"X: " + before + byte + b"b"))
        if byte[0] == 0x7F or (byte[0] < 0x20 and byte != b"\t"):
            assert isinstance(result, str), byte
        else:
            value = (before + byte + b"b").lstrip(b" \t")
            assert result["fields"][1] == (b"X", value), byte


@pytest.mark.parametrize("blanks", [b"", b" ", b"\t", b" \t \t"], ids=repr)
def test_blanks_around_a_value_are_cut_and_those_within_kept(blanks):
    for size in SIZES:
        value = (b"a \tb" * size)[:size].strip(b" \t")
        head = head_of(request(b"X:" + blanks + value + blanks))
        assert head["fields"] == [(b"Host", b"a"), (b"X", value)]


def test_names_and_values_of_all_sizes_are_found():
    for name_size in SIZES:
        for value_size in (0, *SIZES):
            name, value = b"n" * name_size, b"v" * value_size
            head = head_of(request(name + b": " + value))
            assert head["fields"][1] == (name, value)


def test_line_may_be_as_long_as_its_limit_and_not_longer():
    for limit in range(12, 40):
        line = b"X: " + b"v" * (limit - 3)
        limits = {"field_line_bytes_max": limit}
        assert isinstance(result_of(request(line), **limits), dict)
        assert result_of(request(line + b"v"), **limits) == "field line too long"


def test_lines_may_be_as_large_as_their_limit_together_and_not_larger():
    fields = b"Host: a\r\nX: b\r\n\r\n"
    for size in range(len(fields) - 9, len(fields) + 9):
        result = result_of(b"GET / HTTP/1.1\r\n" + fields, fields_bytes_max=size)
        if size < len(fields):
            assert result == "field lines too large together"
        else:
            assert isinstance(result, dict)


def test_line_that_is_left_out_counts_for_the_limit():
    data = START + b"X_A: b\r\n" * 2 + b"\r\n"

    assert len(head_of(data, field_count_max=3, drops_underscores=1)["fields"]) == 1
    assert result_of(data, field_count_max=2, drops_underscores=1) == "too many field lines"


def test_limit_refuses_while_the_line_is_still_coming():
    assert result_of(START + b"X: " + b"a" * 8189) is None
    assert result_of(START + b"X: " + b"a" * 8191) == "field line too long"
