"""Options: the master itself, how it is told what to do and how it tells how things are."""

import dataclasses
import re
from typing import Any, ClassVar

from ngxloop.serving.options.binds import FdBind, parse_bind
from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import FILE, FLAG, SECONDS, ValueKind, choice

SIGNAL_MAPS = ("default", "nginx")


def _check_status_bind(value: object) -> None:
    bind = parse_bind(value if isinstance(value, str) else repr(value))
    if isinstance(bind, FdBind):
        raise ValueError(f"{value!r} is an inherited socket; give HOST:PORT or unix:PATH")
    if bind.is_tls:
        raise ValueError(f"{value!r}: the status is told without TLS; give HOST:PORT or unix:PATH")


def _check_name(value: object) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        problem = "give 1 to 48 letters, digits, dots, dashes, colons or underscores, no dot first"
        raise ValueError(f"{value!r} is not a name; {problem}")


def _socket_or_none(value: Any) -> Any:
    """Take no for none."""
    is_off = value is False or (isinstance(value, str) and FLAG.from_text(value) is False)
    return NO_SOCKET if is_off else value


NO_SOCKET = "none"
_NAME = re.compile(r"(?!\.)[\w.:@-]{1,48}", re.ASCII)
_CONTROL_SOCKET = dataclasses.replace(FILE, from_text=_socket_or_none, from_toml=_socket_or_none)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MasterOptions:
    """The master process."""

    title: ClassVar[str] = "master"

    signals: str = option(
        "default",
        choice("MAP", SIGNAL_MAPS),
        "meaning of signals. nginx: TERM and INT stop at once, QUIT drains without a time limit",
    )
    drain_delay: float = option(
        0.0,
        SECONDS,
        "on shutdown, report not ready but keep accepting for this long, until load balancers have "
        "noticed",
    )
    pidfile: str | None = option(None, FILE, "file to write the process id of the master to")
    auto_upgrade: bool = option(
        False, FLAG, "after USR2, exit as soon as the new master serves, without a QUIT"
    )
    name: str | None = option(
        None,
        ValueKind("NAME", _check_name),
        "name of this server for `ngxloop-serve ctl --name NAME` and for the process list; by "
        "default, derived from APP",
    )
    control_socket: str | None = option(
        None,
        _CONTROL_SOCKET,
        "Unix socket for `ngxloop-serve ctl`, accessible to the user of the master only; none: no "
        "socket. By default, NAME.sock in /run/ngxloop (root) or $XDG_RUNTIME_DIR/ngxloop, else in "
        "/tmp/ngxloop-UID",
    )
    status_bind: str | None = option(
        None,
        ValueKind("ADDRESS", _check_status_bind),
        "HOST:PORT or unix:PATH of the status over HTTP: / (stub_status), /status.json, /metrics "
        "(Prometheus), /healthz, /readyz",
    )
