"""A program's request to bind: its fields, and the message from a worker to the keeper.

The message of a request carries two sockets: the one to bind, and one end of a pair at which the
worker waits for the answer. None of it is trusted: the payload is bounded, each field has one type
and a range, and the sockets are checked before they are used.

Rule: what a worker's SharedBindClient (sharedbind.py) never sends is refused here, as malformed.
Whether an address is free, and a port allowed, the kernel says later, at bind(2).
"""

import array
import contextlib
import dataclasses
import ipaddress
import json
import os
import socket
from collections.abc import Iterable
from typing import Any

from ngxloop.serving.base.badmessage import BadMessageError
from ngxloop.serving.process.closing import close_socket, close_with_queue
from ngxloop.serving.process.message import Message
from ngxloop.serving.sockets.keeperlimits import BIND_REQUEST_BYTES

Address = tuple[Any, ...] | str

_TCP = frozenset({socket.IPPROTO_TCP, 262})  # and IPPROTO_MPTCP of linux/in.h, which falls back
_UDP = frozenset({socket.IPPROTO_UDP})
_UNIX = frozenset({0})
# What can be shared, and the protocols (SO_PROTOCOL). Others are bound by the program itself: raw
# sockets, netlink, vsock, SCTP, SOCK_SEQPACKET.
_PROTOCOLS: dict[tuple[int, int], frozenset[int]] = {
    (socket.AF_INET, socket.SOCK_STREAM): _TCP,
    (socket.AF_INET6, socket.SOCK_STREAM): _TCP,
    (socket.AF_UNIX, socket.SOCK_STREAM): _UNIX,
    (socket.AF_INET, socket.SOCK_DGRAM): _UDP,
    (socket.AF_INET6, socket.SOCK_DGRAM): _UDP,
    (socket.AF_UNIX, socket.SOCK_DGRAM): _UNIX,
}
_PATH_BYTES = 107  # sun_path without its final zero, unix(7)
_ABSTRACT_BYTES = 108  # with the zero in front, which is part of it
# The upper ends of port, flow information and scope, as bind() takes them.
_RANGES = {socket.AF_INET: (2**16,), socket.AF_INET6: (2**16, 2**20, 2**32)}
_ORDINALS = 2**31


@dataclasses.dataclass(frozen=True)
class BindRequest:
    """What a program binds: equal requests get the same socket."""

    family: int
    type: int
    address: Address  # as bind() takes it, without names: a path, or a tuple
    ordinal: int | None = None  # of several requests for port 0

    def pack(self) -> bytes:
        """Return it as the payload of a message."""
        return json.dumps(dataclasses.astuple(self)).encode()

    @classmethod
    def unpack(cls, payload: bytes) -> "BindRequest":
        """Return what pack() wrote.

        Raises:
            BadMessageError: It is something else.
        """
        if len(payload) > BIND_REQUEST_BYTES:
            raise BadMessageError(f"a request of {len(payload)} bytes")
        try:
            family, kind, address, ordinal = _four_fields(json.loads(payload.decode("ascii")))
            if isinstance(address, list):
                address = tuple(address)
            request = cls(family, kind, address, ordinal)
            request.check()
        except (ValueError, RecursionError) as error:  # of nested brackets
            raise BadMessageError(f"a malformed request to bind: {error}") from None
        return request

    def check(self) -> None:
        """Check the fields.

        Raises:
            ValueError: The address is invalid, or the kind of socket cannot be shared.
        """
        if not _is_number(self.family, 2**16) or not _is_number(self.type, 2**16):
            raise ValueError("not a family and a type")
        if (self.family, self.type) not in _PROTOCOLS:
            raise ValueError(f"sockets of family {self.family}, type {self.type} are not shared")
        if self.family == socket.AF_UNIX:
            _check_path(self.address)
        else:
            _check_host_and_port(self.family, self.address)
        self._check_ordinal()

    def _check_ordinal(self) -> None:
        """Require a number for port 0, and none for other addresses."""
        is_port_free = isinstance(self.address, tuple) and self.address[1] == 0
        is_right = self.ordinal is None
        if is_port_free:
            is_right = self.type == socket.SOCK_STREAM and _is_number(self.ordinal, _ORDINALS)
        if not is_right:
            raise ValueError("the number of the request is missing, wrong or out of range")

    @property
    def path(self) -> str | None:
        """Return the socket file, None for other addresses."""
        if isinstance(self.address, str) and not self.address.startswith("\0"):
            return self.address
        return None

    def is_name_of(self, sock: socket.socket) -> bool:
        """Say whether a socket is bound there."""
        name = sock.getsockname()
        if self.family == socket.AF_UNIX:
            return os.fsencode(name) == os.fsencode(str(self.address))
        host, port, *_ = tuple(self.address)
        bound = name[0].partition("%")[0]  # without the zone, which is in the scope
        return name[1] != 0 and port in (0, name[1]) and _is_same_host(bound, str(host))


def can_share(sock: socket.socket) -> bool:
    """Say whether a socket is of a kind that can be shared."""
    protocols = _PROTOCOLS.get((sock.family, sock.type))
    try:
        return protocols is not None and _protocol(sock) in protocols
    except OSError:  # closed
        return False


@dataclasses.dataclass(frozen=True)
class ReceivedRequest:
    """A request as it came; its sockets are closed with it, unless one is kept."""

    request: BindRequest
    reply: socket.socket
    offered: socket.socket  # of the kind that is wanted

    @classmethod
    def take(cls, message: Message) -> "ReceivedRequest":
        """Return what the message of a worker asks for.

        Args:
            message: Its descriptors are ours from now on.

        Raises:
            BadMessageError: It is not a request; the descriptors are closed.
        """
        try:
            request = BindRequest.unpack(message.payload)
            match message.fds:
                case (reply_fd, offered_fd):
                    return cls(request, *_open_sockets(reply_fd, offered_fd, request))
            raise BadMessageError(f"{len(message.fds)} descriptors with a request to bind")
        except BaseException:
            message.discard()
            raise

    def answer(self, data: bytes, fds: Iterable[int] = ()) -> None:
        """Send the answer; a worker that does not wait for it gets none."""
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))
        with contextlib.suppress(OSError):  # not send_fds(), which leaves its flags out
            self.reply.sendmsg([data], [rights], socket.MSG_DONTWAIT)

    def close(self, keep_offered: bool = False) -> None:
        """Close the sockets."""
        close_with_queue(self.reply)
        if not keep_offered:
            close_socket(self.offered)  # the program may go on with its copy


def check_offered(sock: socket.socket, request: BindRequest) -> None:
    """Refuse a socket that is not of the kind that is wanted, or that is connected.

    Raises:
        BadMessageError: It is.
    """
    if (sock.family, sock.type) != (request.family, request.type) or not can_share(sock):
        raise BadMessageError("a request to bind with a socket that does not match it")
    try:
        sock.getpeername()
    except OSError:  # ENOTCONN
        return
    raise BadMessageError("a request to bind with a connected socket")


# Private -------------------------------------------------------------------------------------


def _is_number(value: Any, end: int) -> bool:
    """Say whether it is an integer from 0 to below the end, and not a bool."""
    return type(value) is int and 0 <= value < end


def _four_fields(found: Any) -> tuple[Any, Any, Any, Any]:
    match found:
        case [family, kind, address, ordinal]:
            return family, kind, address, ordinal
    raise ValueError("not a list of four fields")


def _check_path(path: Any) -> None:
    if not isinstance(path, str):
        raise ValueError("a path that is not text")
    name = os.fsencode(path)
    if name.startswith(b"\0"):
        is_right = len(name) <= _ABSTRACT_BYTES
    else:
        is_right = name.startswith(b"/") and len(name) <= _PATH_BYTES and b"\0" not in name
    if not is_right:
        raise ValueError("not an absolute path or an abstract name")


def _check_host_and_port(family: int, address: Any) -> None:
    ranges = _RANGES[socket.AddressFamily(family)]
    if not isinstance(address, tuple) or len(address) != 1 + len(ranges):
        raise ValueError("not an address")
    host, *numbers = address
    if not all(map(_is_number, numbers, ranges)):
        raise ValueError("a port, or a scope, out of range")
    try:
        socket.inet_pton(family, host)  # no names, no zones
    except (TypeError, ValueError, OSError):
        raise ValueError("not a numeric host") from None


def _is_same_host(one: str, other: str) -> bool:
    return ipaddress.ip_address(one) == ipaddress.ip_address(other)


def _protocol(sock: socket.socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_PROTOCOL)


def _open_sockets(
    reply_fd: int, offered_fd: int, request: BindRequest
) -> tuple[socket.socket, socket.socket]:
    """Return the sockets of a request, checked; if they are refused, the descriptors stay open."""
    opened: list[socket.socket] = []
    try:
        for fd in (reply_fd, offered_fd):
            opened.append(socket.socket(fileno=fd))  # noqa: PERF401 - one may fail
        reply, offered = opened
        _check_reply(reply)
        check_offered(offered, request)
    except (OSError, BadMessageError) as error:
        for sock in opened:
            sock.detach()
        if isinstance(error, BadMessageError):
            raise
        raise BadMessageError(
            f"a request to bind with a descriptor that is not a socket: {error.strerror}"
        ) from None
    return reply, offered


def _check_reply(sock: socket.socket) -> None:
    if (sock.family, sock.type) != (socket.AF_UNIX, socket.SOCK_SEQPACKET):
        raise BadMessageError("a request to bind without a reply socket")
