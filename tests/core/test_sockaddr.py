"""Socket addresses: from the kernel's structures to those of the socket module."""

import os
import socket
import struct

import pytest

from tests.probes.sockaddr import fill, local, parse, peer
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


@pytest.mark.parametrize(
    ("family", "address", "raw"),
    [
        (socket.AF_INET, ("127.0.0.1", 80), inet("127.0.0.1", 80) + bytes(8)),
        (socket.AF_INET, ("255.255.255.255", 65535), inet("255.255.255.255", 65535) + bytes(8)),
        (socket.AF_INET6, ("::1", 443), inet6("::1", 443)),
        (socket.AF_INET6, ("::1", 443, 0xFFFFF), inet6("::1", 443, 0xFFFFF)),
        (socket.AF_INET6, ("fe80::1", 1, 2, 0xFFFFFFFF), inet6("fe80::1", 1, 2, 0xFFFFFFFF)),
        (socket.AF_UNIX, "/a/path", unix(b"/a/path\0")),
        (socket.AF_UNIX, b"/a/path", unix(b"/a/path\0")),
        (socket.AF_UNIX, "x" * 107, unix(b"x" * 107 + b"\0")),
        (socket.AF_UNIX, os.fsdecode(b"/\xff"), unix(b"/\xff\0")),
        (socket.AF_UNIX, "\0abstract", unix(b"\0abstract")),
        (socket.AF_UNIX, b"\0abstract\0name", unix(b"\0abstract\0name")),
    ],
    ids=repr,
)
def test_plain_address_gets_the_form_of_the_kernel(family, address, raw):
    assert fill(family, address) == raw


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, None),
        (socket.AF_INET, ("127.0.0.1",)),
        (socket.AF_INET, ("127.0.0.1", 1, 2)),
        (socket.AF_INET, ["127.0.0.1", 1]),
        (socket.AF_INET, ("localhost", 1)),
        (socket.AF_INET, ("127.1", 1)),
        (socket.AF_INET, ("", 1)),
        (socket.AF_INET, ("<broadcast>", 1)),
        (socket.AF_INET, (b"127.0.0.1", 1)),
        (socket.AF_INET, ("127.0.0.1\0", 1)),
        (socket.AF_INET, ("\u0661.0.0.1", 1)),
        (socket.AF_INET, ("127.0.0.1", "1")),
        (socket.AF_INET, ("127.0.0.1", True)),
        (socket.AF_INET, ("127.0.0.1", -1)),
        (socket.AF_INET, ("127.0.0.1", 65536)),
        (socket.AF_INET, ("127.0.0.1", 1 << 80)),
        (socket.AF_INET6, ("::1%lo", 1)),
        (socket.AF_INET6, ("127.0.0.1", 1)),
        (socket.AF_INET6, ("::1", 1, 0x100000)),
        (socket.AF_INET6, ("::1", 1, 0, 0x100000000)),
        (socket.AF_INET6, ("::1", 1, 0, 0, 0)),
        (socket.AF_UNIX, ""),
        (socket.AF_UNIX, "x" * 108),
        (socket.AF_UNIX, bytearray(b"/a/path")),
        (socket.AF_UNIX, ("/a/path", 1)),
        (socket.AF_NETLINK, (0, 0)),
    ],
    ids=repr,
)
def test_other_addresses_are_left_to_the_socket_module(family, address):
    assert fill(family, address) == b""
