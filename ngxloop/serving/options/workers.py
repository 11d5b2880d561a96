"""Options: how many workers there are, and how long each step of their lives may take."""

import dataclasses
from typing import ClassVar

from ngxloop.serving.options.table import option
from ngxloop.serving.options.values import (
    FLAG,
    MEBIBYTES,
    SECONDS,
    SOME_SECONDS,
    number_or_auto,
    whole_number,
)

_MAX_WORKERS = 1024  # nginx: NGX_MAX_PROCESSES


@dataclasses.dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """The workers, from their start to their end."""

    title: ClassVar[str] = "workers"

    workers: int | str = option(
        1,
        number_or_auto("a number of workers", 1, _MAX_WORKERS),
        "how many, or auto: the CPUs we may use, by affinity and cgroup quota",
        short="-w",
        variables=("WEB_CONCURRENCY",),
    )
    graceful_timeout: float = option(
        25.0, SECONDS, "for work in progress when draining; then it is cancelled"
    )
    idle_grace: float = option(
        1.0,
        SECONDS,
        "when draining, how long idle HTTP connections stay open for a last request, which is "
        "answered with 'Connection: close'",
    )
    start_timeout: float = option(60.0, SOME_SECONDS, "for a worker to become ready")
    hang_timeout: float = option(
        60.0,
        SECONDS,
        "a worker whose loop does not turn for so long (an idle one turns, too) writes its stacks "
        "and is killed; 0: never",
    )
    busy_poll: float = option(
        0.0,
        SECONDS,
        "how long a worker that has nothing to do looks for events before it sleeps, 0.00005 say: "
        "earlier answers for a busier core",
    )
    coalesce_writes: bool = option(
        False,
        FLAG,
        "what is written to a connection in one turn of the loop is sent in one call: fewer system "
        "calls, but a handler that writes and then blocks holds its output back",
    )
    max_requests: int = option(
        0, whole_number("a number of requests", 0), "a worker is replaced after so many; 0: never"
    )
    max_requests_jitter: int = option(
        0,
        whole_number("a number of requests", 0),
        "up to so many more, by chance, so that workers are not replaced together",
    )
    max_lifetime: float = option(
        0.0, SECONDS, "a worker is replaced after so long, or up to a tenth longer; 0: never"
    )
    max_rss: float = option(
        0.0, MEBIBYTES, "a worker that uses more memory than this is replaced; 0: never"
    )
