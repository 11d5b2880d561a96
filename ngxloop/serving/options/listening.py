"""Options: where connections come from, and who gets them."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar

from ngxloop.serving.options.binds import parse_bind
from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import (
    FILE_MODE,
    FLAG,
    ValueKind,
    choice,
    several,
    text,
    whole_number,
)

DEFAULT_BIND = "127.0.0.1:8000"
# What gunicorn and uvicorn ask for; the kernel clips it to net.core.somaxconn.
DEFAULT_BACKLOG = 2048
ACCEPT_MODES = ("fair", "mutex", "exclusive", "reuseport", "plain")


def _check_bind(value: object) -> None:
    parse_bind(value if isinstance(value, str) else repr(value))


@dataclasses.dataclass(frozen=True, kw_only=True)
class ListeningOptions:
    """The listening sockets, and how workers share them."""

    title: ClassVar[str] = "listening"

    bind: Sequence[str] | None = option(
        None,
        several(ValueKind("ADDRESS", _check_bind), "addresses"),
        "HOST:PORT, [IPV6]:PORT, unix:PATH, fd://N, or systemd: and systemd:NAME for sockets that "
        "systemd passes; repeatable. [::]:PORT accepts IPv4 too, unless another address with the "
        "same port is given. With --ssl-certfile, all addresses speak TLS except those written "
        "as http://ADDRESS. By default, the sockets that systemd passes; else for applications "
        f"0.0.0.0:$PORT, or {DEFAULT_BIND} if PORT is not set",
        short="-b",
    )
    backlog: int = option(
        DEFAULT_BACKLOG,
        whole_number("a queue length", 1),
        "maximum number of connections waiting to be accepted",
    )
    socket_mode: int = option(0o666, FILE_MODE, "permissions of Unix socket files, octal")
    socket_user: str | None = option(
        None, text("NAME", "a user"), "owner of Unix socket files (root only)"
    )
    socket_group: str | None = option(
        None,
        text("NAME", "a group"),
        "group of Unix socket files: one of the groups of this user; any group as root",
    )
    share_datagrams: bool = option(
        False,
        FLAG,
        "share the datagram sockets that a script or a main function binds among the workers, too",
    )
    accept: str = option(
        "fair",
        choice("MODE", ACCEPT_MODES),
        f"how workers share connections: {', '.join(ACCEPT_MODES)}",
    )
    worker_connections: int | None = option(
        None,
        whole_number("a number of connections", 1),
        "maximum number of open connections per worker; close to it, idle ones are closed, then no "
        "more are accepted. By default, the open file limit minus 64",
    )
    multi_accept: int = option(
        1,
        whole_number("a number of connections", 1, 2**31 - 1),
        "maximum number of connections accepted per event; with a high number, the first worker "
        "that wakes takes them all",
    )
    deferred_accept: bool = option(
        False,
        FLAG,
        "accept a TCP connection when its first data arrives; not for protocols in which the "
        "server sends first",
    )
