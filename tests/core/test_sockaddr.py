"""Socket addresses: from the kernel's structures to those of the socket module."""

import os
import socket
import struct

import pytest

from tests.probes.sockaddr import local, parse, peer
from tests.support.sockets import tcp_pair, unix_pair


def inet(host: str, port: int) -> bytes:
    return struct.pack("=H", socket.AF_INET) + struct.pack("!H", port) + socket.inet_aton(host)


def inet6(host: str, port: int, flowinfo: int = 0, scope_id: int = 0) -> bytes:
    return (
        struct.pack("=H", socket.AF_INET6)
        + struct.pack("!HI", port, flowinfo)
        + socket.inet_pton(socket.AF_INET6, host)
        + struct.pack("=I", scope_id)
    )


def unix(name: bytes) -> bytes:
    return struct.pack("=H", socket.AF_UNIX) + name


@pytest.mark.parametrize(
    ("raw", "address"),
    [
        (inet("127.0.0.1", 80) + bytes(8), ("127.0.0.1", 80)),
        (inet("255.255.255.255", 65535) + bytes(8), ("255.255.255.255", 65535)),
        (inet6("::1", 443), ("::1", 443, 0, 0)),
        (inet6("fe80::1", 1, 0x12345, 7), ("fe80::1", 1, 0x12345, 7)),
        (inet6("::ffff:1.2.3.4", 1), ("::ffff:1.2.3.4", 1, 0, 0)),
        (inet6("1:2:3:4:5:6:7:8", 1), ("1:2:3:4:5:6:7:8", 1, 0, 0)),
        (unix(b""), ""),
        (unix(b"/a/path\0"), "/a/path"),
        (unix(b"/a/path"), "/a/path"),
        (unix(b"x" * 108), "x" * 108),
        (unix(b"/not/utf-8/\xff\0"), os.fsdecode(b"/not/utf-8/\xff")),
        (unix(b"\0abstract\0name"), b"\0abstract\0name"),
        (struct.pack("=H", socket.AF_PACKET) + bytes(18), None),
        (struct.pack("=H", socket.AF_UNSPEC), None),
        (b"", None),
        (b"\0", None),
    ],
)
def test_address_has_the_form_of_the_socket_module(raw, address):
    assert parse(raw) == address


@pytest.mark.parametrize("pair", [tcp_pair, unix_pair], ids=["tcp", "unix"])
def test_addresses_of_a_connected_socket_are_those_it_tells_itself(pair):
    with pair() as (ours, _):
        assert local(ours.fileno()) == ours.getsockname()
        assert peer(ours.fileno()) == ours.getpeername()


def test_socket_that_is_not_connected_has_no_peer():
    with socket.socket() as sock:
        assert peer(sock.fileno()) is None
        assert local(sock.fileno()) == ("0.0.0.0", 0)


def test_closed_fd_has_no_addresses():
    assert (local(-1), peer(-1)) == (None, None)
