"""Lines of the access log, for every server that tells of its requests by an AccessRecord.

The line without a format is that of uvicorn's access log. In JSON some fields have a key of their
own, and so has each header field and variable that the format names.
"""

import logging
from collections.abc import Callable
from typing import Any

from ngxloop.http.options import AccessRecord
from ngxloop.serving.config.config import Config
from ngxloop.serving.options.accessformat import AccessFormat, parse_access_format
from ngxloop.serving.worker.accessfields import AccessFields

_DEFAULT = parse_access_format('%(client_addr)s - "%(request_line)s" %(status)d')


class AccessLine:
    """One request, as an argument of a log record; its text is the line."""

    __slots__ = ("_fields", "_form")

    def __init__(self, record: AccessRecord, form: AccessFormat = _DEFAULT) -> None:
        self._fields = AccessFields(record)
        self._form = form

    def __str__(self) -> str:
        return self._form.make(self._fields)

    @property
    def log_fields(self) -> dict[str, Any]:
        """What a JSON object says about it."""
        record = self._fields.record
        return {
            "client_addr": self._fields["client_addr"],
            "method": self._fields["method"],
            "full_path": record.target or "-",
            "http_version": self._fields["http_version"],
            "status": record.status,
            "body_bytes": record.body_bytes,
            "duration": round(record.seconds, 6),
            **{name: self._fields[name] for name in self._form.named},
        }


def make_access_log(
    config: Config, name: str = "ngxloop.access"
) -> Callable[[AccessRecord], object]:
    """Return what writes a line for each request.

    Args:
        config: Has the format.
        name: Of the logger.
    """
    logger = logging.getLogger(name)
    form = _DEFAULT
    if config.access_log_format is not None:
        form = parse_access_format(config.access_log_format)

    def write(record: AccessRecord) -> None:
        if logger.isEnabledFor(logging.INFO):
            logger.info("%s", AccessLine(record, form))

    return write


def needs_records(config: Config) -> bool:
    """Say whether the line of a server itself is not enough."""
    is_json = config.log_format == "json"
    return config.access_log is not None and (is_json or config.access_log_format is not None)
