"""Options: the master itself, how it is told what to do and how it tells how things are."""

import dataclasses
from typing import ClassVar

from ngxloop.serving.binds import FdBind, parse_bind
from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import FILE, FLAG, SECONDS, Kind, choice

SIGNAL_MAPS = ("default", "nginx")


def _check_status_bind(value: object) -> None:
    if isinstance(parse_bind(value if isinstance(value, str) else repr(value)), FdBind):
        raise ValueError(f"{value!r} is an inherited socket; give HOST:PORT or unix:PATH")


@dataclasses.dataclass(frozen=True, kw_only=True)
class MasterOptions:
    """The master process."""

    title: ClassVar[str] = "master"

    signals: str = option(
        "default",
        choice("MAP", SIGNAL_MAPS),
        "what signals mean. nginx: TERM and INT end at once, QUIT drains for as long as it takes",
    )
    drain_delay: float = option(
        0.0,
        SECONDS,
        "when told to end, go on accepting for so long while readiness is withdrawn already, "
        "until load balancers have noticed",
    )
    pidfile: str | None = option(None, FILE, "where to write the master's process id")
    auto_upgrade: bool = option(
        False, FLAG, "after USR2, end as soon as the new master serves, without being told"
    )
    control_socket: str | None = option(
        None, FILE, "Unix socket for `ngxloop-serve ctl`; only our user can connect to it"
    )
    status_bind: str | None = option(
        None,
        Kind("ADDRESS", _check_status_bind),
        "HOST:PORT or unix:PATH where the master tells over HTTP how things are: / (stub_status), "
        "/status.json, /metrics (Prometheus), /healthz, /readyz",
    )
