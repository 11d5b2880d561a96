"""Which CPUs a worker may run on: --cpu-affinity auto, or a list for each worker.

nginx: ngx_get_cpu_affinity. With auto the nth worker gets the nth of the CPUs that we may use,
around again when there are more workers; with lists the last one serves all later workers.
"""

import os
from collections.abc import Iterator, Sequence

from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.options.values import AUTO

_OPTION = "cpu-affinity"
Affinity = Sequence[frozenset[int]]


def plan_affinity(text: str) -> tuple[Affinity, bool]:
    """Return the CPUs of the first, second, ... worker, and whether they begin again after it.

    Raises:
        ConfigError: It is no list of CPUs, or one of them is not ours to use.
    """
    allowed = os.sched_getaffinity(0)
    if text == AUTO:
        return [frozenset((cpu,)) for cpu in sorted(allowed)], True
    sets = [frozenset(_numbers(part)) for part in text.split(";")]
    for cpu in sorted(frozenset.union(*sets)):
        if cpu not in allowed:
            ours = ",".join(map(str, sorted(allowed)))
            problem = f"CPU {cpu} is not available to this process; give some of {ours}"
            raise ConfigError(_OPTION, problem)
    return sets, False


def affinity_warning(quota: float | None, allowed: int) -> str:
    """Return why pinning is a bad idea with this quota of CPUs and so many to run on, or nothing.

    A quota is time on any CPU: it lets pinned workers wait for their own CPU while others are idle.
    """
    if quota is None or quota >= allowed:
        return ""
    return f"cpu-affinity pins workers to {allowed} CPUs, but the cgroup quota is {quota:g} CPUs"


def cpus_of(sets: Affinity, is_ring: bool, number: int) -> frozenset[int]:
    """Return the CPUs of a worker; the first worker's number is 0."""
    return sets[number % len(sets)] if is_ring else sets[min(number, len(sets) - 1)]


def _numbers(part: str) -> Iterator[int]:
    for word in part.split(","):
        first, dash, last = word.strip().partition("-")
        if not (first.isdecimal() and (last.isdecimal() if dash else not last)):
            raise ConfigError(
                _OPTION, f"{part!r} is not a list of CPUs; give auto or, for example, 0,1;2-3"
            )
        yield from range(int(first), int(last or first) + 1)
