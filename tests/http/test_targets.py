"""Hosts and ports."""

import pytest

from tests.probes.httpparser import is_host

REGISTERED = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-._~!$&'()*+,;=%"


def test_host_has_the_bytes_of_a_registered_name():
    for number in range(256):
        byte = bytes([number])
        assert is_host(b"a" + byte + b"b") == (byte in REGISTERED), byte


def test_literal_has_colons_and_no_percent_sign():
    for number in range(256):
        byte = bytes([number])
        expected = byte in REGISTERED.replace(b"%", b":")
        assert is_host(b"[a" + byte + b"b]") == expected, byte


@pytest.mark.parametrize(
    "host",
    [b"a", b"a:1", b"a:", b"a:65535", b"127.0.0.1:8000", b"a.b.", b".a", b"[::1]", b"[::1]:80"],
    ids=repr,
)
def test_host_is_valid(host):
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b".",
        b"..",
        b"a..b",
        b"a..",
        b":80",
        b"a:65536",
        b"a:99999",
        b"a:000080",
        b"a:-1",
        b"a:8a",
        b"a:8:8",
        b"::1",
        b"[]",
        b"[",
        b"[::1",
        b"[::1]x",
        b"[::1]:x",
        b"[[::1]]",
        b"a[::1]",
        b"u@a",
    ],
    ids=repr,
)
def test_host_is_invalid(host):
    assert not is_host(host)
