"""Options: what is written, and where to."""

import dataclasses
from typing import ClassVar

from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import FLAG, choice

LOG_LEVELS = ("debug", "info", "warning", "error")


@dataclasses.dataclass(frozen=True, kw_only=True)
class LogOptions:
    """The launcher's own log, and the log of requests."""

    title: ClassVar[str] = "logs"

    log_level: str = option("info", choice("LEVEL", LOG_LEVELS), ", ".join(LOG_LEVELS))
    access_log: bool = option(False, FLAG, "write a line for each HTTP request to standard output")
