"""Field names that are known by a number."""

from ngxloop.http.names import KNOWN_NAMES
from tests.probes.httpparser import find_name


def changed(name: bytes, place: int, byte: int) -> bytes:
    return name[:place] + bytes([byte]) + name[place + 1 :]


def test_every_known_name_is_found_in_any_case():
    for number, name in enumerate(KNOWN_NAMES[1:], 1):
        assert find_name(name) == number
        assert find_name(name.upper()) == number
        assert find_name(name.title()) == number


def test_names_that_decide_framing_have_the_first_numbers():
    assert KNOWN_NAMES[1:8] == (
        b"host",
        b"content-length",
        b"transfer-encoding",
        b"connection",
        b"expect",
        b"upgrade",
        b"te",
    )


def test_name_that_differs_in_one_byte_is_not_found():
    for number, name in enumerate(KNOWN_NAMES[1:], 1):
        for place in range(len(name)):
            for byte in range(0x21, 0x100):
                other = changed(name, place, byte)
                if other.lower() not in KNOWN_NAMES:
                    assert find_name(other) == 0, (number, other)


def test_name_that_is_longer_or_shorter_is_not_found():
    for name in KNOWN_NAMES[1:]:
        for other in (name[:-1], name[1:], name + b"s", b"x" + name, name + name, name * 9):
            assert find_name(other) == (KNOWN_NAMES.index(other) if other in KNOWN_NAMES else 0)
    assert find_name(b"") == 0
