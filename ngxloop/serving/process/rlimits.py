"""Limits of a process: how many descriptors it may have, how large its core file may be.

As many descriptors as the administrator allows, not the default: the soft limit is 1024 on most
systems, for the sake of programs that use select(); the loop uses epoll, and a worker needs a
descriptor for each connection. The hard limit is the one that is meant to limit. nginx:
worker_rlimit_nofile, which has to be set by hand.
"""

import resource
from collections.abc import Callable

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.logs.logs import log
from ngxloop.serving.options.process import UNLIMITED

_KINDS = [getattr(resource, name) for name in sorted(dir(resource)) if name.startswith("RLIMIT_")]


def raise_descriptor_limit() -> Callable[[], None]:
    """Raise the soft limit of this process and its future children; return what takes it back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:  # a sandbox: the limit we have is the limit
        log.debug("open file limit stays %d: %s", soft, error)
        return lambda: None
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def plan_limits(nofile: int | None, core: int | str | None) -> dict[int, int]:
    """Return the limits that a worker sets, by resource.

    Raises:
        ConfigError: One is higher than the kernel lets us have.
    """
    plan = {}
    if nofile is not None:
        _check_limit("rlimit-nofile", resource.RLIMIT_NOFILE, nofile)
        plan[resource.RLIMIT_NOFILE] = nofile
    if core is not None:
        size = resource.RLIM_INFINITY if core == UNLIMITED else int(core)
        _check_limit("rlimit-core", resource.RLIMIT_CORE, size)
        plan[resource.RLIMIT_CORE] = size
    return plan


def set_limits(plan: dict[int, int]) -> None:
    """Set both the soft and the hard limit, as nginx does."""
    for kind, value in plan.items():
        resource.setrlimit(kind, (value, value))


def _check_limit(option: str, kind: int, value: int) -> None:
    """Try a hard limit that is higher than ours: who may raise it, by how much, varies."""
    soft, hard = resource.getrlimit(kind)
    if hard == resource.RLIM_INFINITY or (value != resource.RLIM_INFINITY and value <= hard):
        return
    try:
        resource.setrlimit(kind, (soft, value))
    except (OSError, ValueError, OverflowError):
        advice = f"give at most {hard}, or raise that (LimitNOFILE= of systemd, ulimit -H)"
        if kind == resource.RLIMIT_CORE:
            advice = f"give at most {hard}, or raise that (LimitCORE= of systemd, ulimit -H)"
        raise ConfigError(option, f"{value} is above the hard limit; {advice}") from None
    resource.setrlimit(kind, (soft, hard))


def own_limits() -> list[tuple[int, int]]:
    """Return all limits of this process, which others of the same user can lower: prlimit(2)."""
    return [resource.getrlimit(kind) for kind in _KINDS]
