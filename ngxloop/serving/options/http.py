"""Options: how HTTP is served; uvicorn's names and meanings, nginx's where only it has the option.

An option that a server does not have is refused with it, unless it has its default value.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import (
    BYTES,
    FLAG,
    SECONDS,
    ValueKind,
    choice,
    several,
    whole_number,
)

ENGINE = ("asgi",)
EVERY_ASGI = ("asgi", "asgi-uvicorn")
_NAME_CHARACTERS = frozenset(
    "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)
# What the server says itself: it depends on the answer.
_RESERVED = ("connection", "content-length", "transfer-encoding")
_LARGEST_HEAD = 2**24


def _check_root_path(value: object) -> None:
    if not isinstance(value, str) or "\0" in value or (value and not value.startswith("/")):
        raise ValueError(f"{value!r} is not a path; give one that begins with a slash")


def _check_header(value: object) -> None:
    name, colon, content = value.partition(":") if isinstance(value, str) else ("", "", "")
    is_field = name and colon and set(name) <= _NAME_CHARACTERS
    if not is_field or not all(one == "\t" or " " <= one <= "~" for one in content):
        raise ValueError(f"{value!r} is not a header field; give NAME:VALUE, in ASCII")
    if name.lower() in _RESERVED:
        raise ValueError(f"{name} depends on the answer, and cannot be chosen")


def _limit(what: str) -> ValueKind:
    return dataclasses.replace(
        whole_number(what, 1, _LARGEST_HEAD, metavar="BYTES"),
        from_text=BYTES.from_text,
        from_toml=BYTES.from_toml,
    )


def _count(what: str) -> ValueKind:
    return whole_number(what, 0, 2**31 - 1)


def _for(interfaces: Sequence[str], default: Any, kind: ValueKind, text: str) -> Any:
    return option(default, kind, text, interfaces=tuple(interfaces))


@dataclasses.dataclass(frozen=True, kw_only=True)
class HttpOptions:
    """HTTP/1.1. An option is refused with interfaces other than those in brackets."""

    title: ClassVar[str] = "HTTP"

    lifespan: str = _for(
        EVERY_ASGI,
        "auto",
        choice("MODE", ("auto", "on", "off")),
        "run the start-up and shutdown of APP: on, off, or auto, if APP supports them",
    )
    root_path: str = _for(
        EVERY_ASGI,
        "",
        ValueKind("PATH", _check_root_path),
        "path prefix under which a proxy serves APP",
    )
    timeout_keep_alive: float = _for(
        EVERY_ASGI,
        75.0,
        SECONDS,
        "close a connection that is idle between requests this long; 0: after each response",
    )
    keepalive_requests: int = _for(
        ENGINE,
        1000,
        _count("a number of requests"),
        "close a connection after this number of requests; 0: never",
    )
    client_header_timeout: float = _for(
        ENGINE, 60.0, SECONDS, "time to receive the head of a request, else 408; 0: no limit"
    )
    client_body_timeout: float = _for(
        ENGINE,
        60.0,
        SECONDS,
        "time between two reads of a request body, else 408; stops while APP does not read; 0: no "
        "limit",
    )
    send_timeout: float = _for(
        ENGINE,
        60.0,
        SECONDS,
        "close a client that does not read for this long; 0: no limit",
    )
    lingering_time: float = _for(
        ENGINE,
        30.0,
        SECONDS,
        "discard input after the last response for at most this long",
    )
    lingering_timeout: float = _for(ENGINE, 5.0, SECONDS, "as --lingering-time, between two reads")
    max_header_bytes: int = _for(
        ENGINE, 32768, _limit("a size"), "maximum size of all header fields of a request, else 431"
    )
    max_header_line_bytes: int = _for(
        ENGINE, 8192, _limit("a size"), "maximum size of one header field, else 431"
    )
    max_headers: int = _for(
        ENGINE,
        1000,
        whole_number("a number of fields", 1, _LARGEST_HEAD),
        "maximum number of header fields in a request, else 431",
    )
    max_target_bytes: int = _for(
        ENGINE, 8192, _limit("a size"), "maximum size of the path and query of a request, else 414"
    )
    client_max_body_size: int = _for(
        ENGINE, 0, BYTES, "maximum size of a request body, for example 10M, else 413; 0: no limit"
    )
    underscores_in_headers: bool = _for(
        ENGINE,
        True,
        FLAG,
        "pass header fields with _ in their name to APP",
    )
    limit_concurrency: int | None = _for(
        EVERY_ASGI,
        None,
        whole_number("a number of requests", 1, 2**31 - 1),
        "maximum number of requests in progress in a worker; further ones get 503. asgi-uvicorn "
        "counts idle connections, too",
    )
    server_header: bool = _for(
        EVERY_ASGI,
        True,
        FLAG,
        "send a Server header, unless APP or --header sets one; --no-server-header: none",
    )
    date_header: bool = _for(EVERY_ASGI, True, FLAG, "send a Date header; --no-date-header: none")
    header: Sequence[str] = _for(
        EVERY_ASGI,
        (),
        several(ValueKind("NAME:VALUE", _check_header), "header fields", is_empty_allowed=True),
        "header field added to every response; repeatable",
    )

    @property
    def header_fields(self) -> list[tuple[str, str]]:
        """Return the fields of --header as names and values."""
        pairs = (field.partition(":") for field in self.header)
        return [(name, value.strip(" \t")) for name, _, value in pairs]
