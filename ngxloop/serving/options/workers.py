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
        "number of worker processes; auto: one per available CPU, by affinity and cgroup quota",
        short="-w",
        variables=("WEB_CONCURRENCY",),
    )
    graceful_timeout: float = option(
        25.0, SECONDS, "time to finish in-flight requests on shutdown before cancelling them"
    )
    idle_grace: float = option(
        1.0,
        SECONDS,
        "on shutdown, keep idle HTTP connections open this long for a last request, which is "
        "answered with 'Connection: close'",
    )
    start_timeout: float = option(60.0, SOME_SECONDS, "time for a worker to become ready")
    hang_timeout: float = option(
        60.0,
        SECONDS,
        "kill a worker whose event loop has been blocked this long, after logging its stacks; 0: "
        "never",
    )
    busy_poll: float = option(
        0.0,
        SECONDS,
        "busy-poll for this long before blocking, for example 0.00005: lower latency for a busier "
        "core",
    )
    coalesce_writes: bool = option(
        False,
        FLAG,
        "send what is written to a connection in one loop iteration with one system call; a "
        "handler that writes and then blocks delays its output",
    )
    max_requests: int = option(
        0,
        whole_number("a number of requests", 0),
        "replace a worker after this number of requests; 0: never",
    )
    max_requests_jitter: int = option(
        0,
        whole_number("a number of requests", 0),
        "random number of additional requests, at most this, so that workers are not all replaced "
        "at once",
    )
    max_lifetime: float = option(
        0.0, SECONDS, "replace a worker after this time, plus up to 10 percent; 0: never"
    )
    max_rss: float = option(
        0.0, MEBIBYTES, "replace a worker that uses more memory than this; 0: never"
    )
