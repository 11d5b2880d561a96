"""The fields of a line of the access log, of one request; see options/accessformat.py.

What a client has sent is escaped as nginx does it (ngx_http_log_escape): `"`, a backslash and what
is not printable ASCII become \\xHH, so that a line is one line, and its quotes are ours.
"""

import base64
import binascii
import functools
import http
import os
import re
import time
from collections.abc import Callable, Iterable
from typing import Any

from ngxloop.http.options import AccessRecord
from ngxloop.serving.options.accessformat import NAMED

# Of a request that was not understood, and of a client on a Unix socket, as nginx says it.
_UNKNOWN, _UNIX_CLIENT = "-", "unix:"
_UNSAFE = re.compile(r'[^\x20-\x7e]|["\\]')
_BASIC = b"basic "


class AccessFields:
    """The fields of one request, each made when it is asked for."""

    __slots__ = ("record",)

    record: AccessRecord

    def __init__(self, record: AccessRecord) -> None:
        self.record = record

    def __getitem__(self, name: str) -> Any:
        getter = _GETTERS.get(name)
        return _named(self.record, name) if getter is None else getter(self.record)


def escape(text: str) -> str:
    """Return a text of a client as it can stand between quotes in a line."""
    return _UNSAFE.sub(_escape_match, text) if _UNSAFE.search(text) else text


# Private -----------------------------------------------------------------------------------------


def _escape_match(match: re.Match[str]) -> str:
    return "".join(f"\\x{byte:02X}" for byte in match[0].encode("utf-8", "replace"))


def _host(record: AccessRecord) -> str:
    return _UNIX_CLIENT if record.client is None else record.client[0]


def _address(record: AccessRecord) -> str:
    return _UNIX_CLIENT if record.client is None else f"{record.client[0]}:{record.client[1]}"


def _protocol(record: AccessRecord) -> str:
    return f"HTTP/{record.http_version}" if record.http_version else _UNKNOWN


def _request_line(record: AccessRecord) -> str:
    if not record.method:
        return _UNKNOWN
    return escape(f"{record.method} {record.target} HTTP/{record.http_version}")


def _path(record: AccessRecord) -> str:
    return escape(record.target.partition("?")[0]) or _UNKNOWN


def _query(record: AccessRecord) -> str:
    return escape(record.target.partition("?")[2])


def _status(record: AccessRecord) -> str:
    try:
        return f"{record.status} {http.HTTPStatus(record.status).phrase}"
    except ValueError:
        return f"{record.status}"


def _user(record: AccessRecord) -> str:
    found = _find(record.request_headers, b"authorization")
    if found is None or found[: len(_BASIC)].lower() != _BASIC:
        return _UNKNOWN
    try:
        name, colon, _ = base64.b64decode(found[len(_BASIC) :]).partition(b":")
    except binascii.Error:
        return _UNKNOWN
    return (escape(name.decode("utf-8", "backslashreplace")) if colon else "") or _UNKNOWN


def _time(record: AccessRecord) -> str:
    return _format_time(int(time.time()))


@functools.lru_cache(maxsize=2)
def _format_time(seconds: int) -> str:
    return time.strftime("[%d/%b/%Y:%H:%M:%S %z]", time.localtime(seconds))


def _asctime(record: AccessRecord) -> str:
    """Return the time as the logging module writes it."""
    now = time.time()
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    return f"{stamp},{int(now * 1000) % 1000:03d}"


def _field(name: bytes) -> Callable[[AccessRecord], str]:
    return lambda record: _shown(_find(record.request_headers, name))


def _named(record: AccessRecord, name: str) -> str:
    """Return a header field or a variable, like {referer}i."""
    match = NAMED.fullmatch(name)
    if match is None:
        raise KeyError(name)
    key, kind = match.groups()
    if kind == "e":
        return _variable(record, key)
    headers = record.request_headers if kind == "i" else record.response_headers
    return _shown(_find(headers, key.lower().encode()))


def _variable(record: AccessRecord, name: str) -> str:
    """Return a variable of CGI that the request gives, or one of the environment."""
    getter = _CGI.get(name.upper())
    if getter is not None:
        return getter(record)
    if name.upper().startswith("HTTP_"):
        key = name[len("HTTP_") :].replace("_", "-").lower()
        return _shown(_find(record.request_headers, key.encode()))
    found = os.environ.get(name) or os.environ.get(name.upper())
    return escape(found) if found else _UNKNOWN


def _find(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """Return the value of a field; those of several fields with that name, with commas between."""
    found = [bytes(value) for key, value in headers if bytes(key).lower() == name]
    return b", ".join(found) if found else None


def _shown(value: bytes | None) -> str:
    return escape(value.decode("latin-1")) if value else _UNKNOWN


_GETTERS: dict[str, Callable[[AccessRecord], Any]] = {
    "h": _host,
    "l": lambda record: _UNKNOWN,
    "u": _user,
    "t": _time,
    "r": _request_line,
    "s": lambda record: record.status,
    "m": lambda record: record.method or _UNKNOWN,
    "U": _path,
    "q": _query,
    "H": _protocol,
    "B": lambda record: record.body_bytes,
    "b": lambda record: str(record.body_bytes or _UNKNOWN),
    "f": _field(b"referer"),
    "a": _field(b"user-agent"),
    "T": lambda record: int(record.seconds),
    "D": lambda record: int(record.seconds * 1_000_000),
    "M": lambda record: int(record.seconds * 1000),
    "L": lambda record: f"{record.seconds:.6f}",
    "p": lambda record: f"<{os.getpid()}>",
    "client_addr": _address,
    "method": lambda record: record.method or _UNKNOWN,
    "full_path": lambda record: escape(record.target) or _UNKNOWN,
    "http_version": lambda record: record.http_version or _UNKNOWN,
    "request_line": _request_line,
    "status_code": _status,
    "status": lambda record: record.status,
    "body_bytes": lambda record: record.body_bytes,
    "duration": lambda record: record.seconds,
    "asctime": _asctime,
    "process": lambda record: os.getpid(),
    "levelname": lambda record: "INFO",
    "levelprefix": lambda record: "INFO:    ",
}
_CGI: dict[str, Callable[[AccessRecord], str]] = {
    "REMOTE_ADDR": _host,
    "REMOTE_PORT": lambda record: str(record.client[1]) if record.client else _UNKNOWN,
    "REQUEST_METHOD": _GETTERS["m"],
    "REQUEST_URI": _GETTERS["full_path"],
    "RAW_URI": _GETTERS["full_path"],
    "PATH_INFO": _path,
    "QUERY_STRING": _query,
    "SERVER_PROTOCOL": _protocol,
}
