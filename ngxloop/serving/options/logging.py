"""Options: what is written, and where to."""

import dataclasses
import logging
from typing import Any, ClassVar

from ngxloop.serving.options.accessformat import parse_access_format
from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import FILE, FLAG, ValueKind, choice

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
STANDARD_OUTPUT = "-"


def _file_or_output(value: Any) -> Any:
    """Take yes for standard output, no for no log."""
    value = FLAG.from_text(value) if isinstance(value, str) else value
    return {True: STANDARD_OUTPUT, False: None}[value] if isinstance(value, bool) else value


def _file_or_none(value: Any) -> Any:
    """Take - for standard error, which is where the log goes without a file."""
    return None if value == STANDARD_OUTPUT else value


def _lower(value: Any) -> Any:
    """Take INFO for info, as the logging module writes it."""
    return value.lower() if isinstance(value, str) else value


def _check_format(value: object) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a format")
    parse_access_format(value)


_LOG_LEVEL = dataclasses.replace(choice("LEVEL", LOG_LEVELS), from_text=_lower, from_toml=_lower)
_ERROR_LOG = dataclasses.replace(FILE, from_text=_file_or_none, from_toml=_file_or_none)
_ACCESS_FORMAT = ValueKind("FORMAT", _check_format)
_ACCESS_LOG = dataclasses.replace(FILE, from_text=_file_or_output, from_toml=_file_or_output)


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogOptions:
    """The launcher's own log, and the log of requests. USR1 opens both files again."""

    title: ClassVar[str] = "logs"

    log_level: str = option("info", _LOG_LEVEL, ", ".join(LOG_LEVELS))
    log_format: str = option(
        "text",
        choice("FORMAT", LOG_FORMATS),
        "format of ngxloop-serve's log lines: text, or one JSON object per line",
    )
    error_log: str | None = option(
        None,
        _ERROR_LOG,
        "append the log and the standard error of master and workers to this file; -: standard "
        "error",
    )
    access_log: str | None = option(
        None,
        _ACCESS_LOG,
        "log each HTTP request to standard output, or to this file",
        bare=STANDARD_OUTPUT,
    )
    access_log_format: str | None = option(
        None,
        _ACCESS_FORMAT,
        'format of an access log line, as in gunicorn: %(h)s "%(r)s" %(s)s %(b)s %(M)s '
        "%({user-agent}i)s ..., in uvicorn: %(client_addr)s %(request_line)s %(status_code)s, "
        'or in Apache and aiohttp: %a "%r" %s %{User-Agent}i ...',
    )

    @property
    def log_threshold(self) -> int:
        """Return the level for the logging module."""
        return logging.getLevelNamesMapping()[self.log_level.upper()]
