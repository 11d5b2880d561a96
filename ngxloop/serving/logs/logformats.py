"""How the launcher's lines look: text for people, JSON for programs.

Both say who writes: the master, or a worker by its slot (its number among the workers, which its
replacement gets too), its generation (how many reloads before it) and its process id. A line of the
master about a worker carries that worker's slot and generation in JSON; it has the worker as one of
its arguments, which knows them (Subject).
"""

import dataclasses
import datetime
import json
import logging
from typing import Any, Protocol, runtime_checkable

_TEXT = "%(asctime)s.%(msecs)03d %(levelname)-7s {who}[%(process)d] %(message)s"
_TIME = "%Y-%m-%d %H:%M:%S"


@dataclasses.dataclass(frozen=True)
class Writer:
    """Who writes."""

    name: str  # master, worker 2.0
    slot: int | None = None
    generation: int | None = None

    @property
    def fields(self) -> dict[str, Any]:
        """What a JSON object says about it."""
        if self.slot is None:
            return {"role": self.name}
        return {"role": "worker", "slot": self.slot, "generation": self.generation}


@runtime_checkable
class Subject(Protocol):
    """An argument of a line that is what the line is about."""

    @property
    def log_fields(self) -> dict[str, Any]:
        """What a JSON object says about it."""


def make_formatter(
    form: str, writer: Writer, message: logging.Formatter | None = None
) -> logging.Formatter:
    """Return the formatter for --log-format; another one may make the message of an object."""
    return _JsonFormatter(writer, message) if form == "json" else _TextFormatter(writer)


class _TextFormatter(logging.Formatter):
    """A line that begins with time, level and writer; above it the user's traceback, if any."""

    def __init__(self, writer: Writer) -> None:
        super().__init__(_TEXT.format(who=writer.name), _TIME)

    def format(self, record: logging.LogRecord) -> str:
        return getattr(record, "user_traceback", "") + super().format(record)


class _JsonFormatter(logging.Formatter):
    """One object a line."""

    def __init__(self, writer: Writer, message: logging.Formatter | None) -> None:
        super().__init__()
        self._writer = writer
        self._message = message

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.datetime.fromtimestamp(record.created).astimezone()
        fields = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            **self._writer.fields,
            "pid": record.process,
            **_subject_fields(record),
            "message": self._message.format(record) if self._message else record.getMessage(),
        }
        traceback = getattr(record, "user_traceback", "") or self._own_traceback(record)
        if traceback:
            fields["traceback"] = traceback
        return json.dumps(fields, ensure_ascii=False, default=str)

    def _own_traceback(self, record: logging.LogRecord) -> str:
        return self.formatException(record.exc_info) if record.exc_info else ""


def _subject_fields(record: logging.LogRecord) -> dict[str, Any]:
    arguments = record.args if isinstance(record.args, tuple) else ()
    subject = next((one for one in arguments if isinstance(one, Subject)), None)
    return {} if subject is None else subject.log_fields
