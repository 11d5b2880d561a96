"""Lines of the access log for requests that ngxloop's own HTTP server has answered.

The line without a format is that of uvicorn's access log, and the three names of its formats mean
the same here; there are more of them. In JSON each has a key of its own.
"""

import http
import logging
from collections.abc import Callable, Mapping
from typing import Any

from ngxloop.http.options import AccessRecord
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.logs.logs import set_access_format

_logger = logging.getLogger("ngxloop.access")
_DEFAULT = '%(client_addr)s - "%(request_line)s" %(status)d'
# Of a request that was not understood, and of a client on a Unix socket, as nginx says it.
_UNKNOWN, _UNIX_CLIENT = "-", "unix:"


class AccessLine:
    """One request, as an argument of a log record; its text is the line without a format."""

    __slots__ = ("_record",)

    def __init__(self, record: AccessRecord) -> None:
        self._record = record

    def __str__(self) -> str:
        return _DEFAULT % self.fields

    @property
    def fields(self) -> Mapping[str, Any]:
        """What a format can name."""
        record = self._record
        line = f"{record.method} {record.target} HTTP/{record.http_version}"
        return {
            "client_addr": _address(record.client),
            "method": record.method or _UNKNOWN,
            "full_path": record.target or _UNKNOWN,
            "http_version": record.http_version or _UNKNOWN,
            "request_line": line if record.method else _UNKNOWN,
            "status_code": _status(record.status),
            "status": record.status,
            "body_bytes": record.body_bytes,
            "duration": record.seconds,
        }

    @property
    def log_fields(self) -> dict[str, Any]:
        """What a JSON object says about it."""
        fields = dict(self.fields)
        del fields["request_line"], fields["status_code"]
        fields["duration"] = round(self._record.seconds, 6)
        return fields


class _LineFormatter(logging.Formatter):
    """Makes the line of a record that has an AccessLine."""

    def __init__(self, line: str) -> None:
        super().__init__()
        self._line = line

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        arguments = record.args if isinstance(record.args, tuple) else ()
        if arguments and isinstance(arguments[0], AccessLine):
            return self._line % arguments[0].fields
        return record.getMessage()  # of somebody else who uses the logger


def make_access_log(config: Config) -> Callable[[AccessRecord], object] | None:
    """Return what writes a line for each request; None if none is wanted.

    Raises:
        StartError: The format cannot be used.
    """
    if config.access_log is None:
        return None
    if config.access_log_format is not None:
        _check(config.access_log_format)
        set_access_format(_LineFormatter(config.access_log_format))
    return _write


def _write(record: AccessRecord) -> None:
    _logger.info("%s", AccessLine(record))


def _check(line: str) -> None:
    """Refuse a format of which a line cannot be made."""
    fields = AccessLine(AccessRecord(None, "GET", "/", "1.1", 200, 0, 0.0)).fields
    try:
        made = line % fields
    except (KeyError, ValueError, TypeError) as error:
        reason = f"there is no {error}" if isinstance(error, KeyError) else str(error)
        problem = f"--access-log-format: {line!r}: {reason}; use {_names(fields)}"
        raise StartError(ExitCode.USAGE, problem) from error
    if made == line:
        problem = f"--access-log-format: {line!r} has no field; use {_names(fields)}"
        raise StartError(ExitCode.USAGE, problem)


def _names(fields: Mapping[str, Any]) -> str:
    return ", ".join(f"%({name})s" for name in fields)


def _address(client: tuple[str, int] | None) -> str:
    return _UNIX_CLIENT if client is None else f"{client[0]}:{client[1]}"


def _status(number: int) -> str:
    try:
        return f"{number} {http.HTTPStatus(number).phrase}"
    except ValueError:
        return f"{number}"
