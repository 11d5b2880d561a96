"""How many workers `--workers auto` means: the CPUs this process may really use.

Three limits hold at once: the affinity mask (taskset, cpusets), and the quota of every cgroup from
ours up to the root, in version 2 (cpu.max) or version 1 (cpu.cfs_quota_us). A container with a
quota of two CPUs on a machine with 64 gets two workers. Source: Documentation/admin-guide/cgroup-v2
in the kernel, "cpu.max"; cgroup-v1 and scheduler/sched-bwc for the older files.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path

_MEMBERSHIP = Path("/proc/self/cgroup")
_MOUNT = Path("/sys/fs/cgroup")


def usable_cpus() -> tuple[int, str]:
    """Return how many CPUs may be used, at least 1, and the reason in words."""
    allowed = len(os.sched_getaffinity(0))
    quota = cgroup_quota()
    if quota is None or math.ceil(quota) >= allowed:
        return allowed, f"{allowed} CPUs allowed"
    return max(1, math.ceil(quota)), f"cgroup quota of {quota:g} CPUs, {allowed} allowed"


def cgroup_quota(membership: Path = _MEMBERSHIP, mount: Path = _MOUNT) -> float | None:
    """Return the smallest CPU quota of our cgroups, in CPUs, or None if there is none."""
    quotas = [quota for folder in _folders(membership, mount) for quota in _quotas(folder)]
    return min(quotas, default=None)


def _folders(membership: Path, mount: Path) -> Iterator[Path]:
    """Yield every cgroup folder that can limit us, ours first, the roots last."""
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            yield from _upwards(mount, path)
        elif "cpu" in controllers.split(","):
            for name in (controllers, "cpu"):
                yield from _upwards(mount / name, path)


def _upwards(root: Path, path: str) -> Iterator[Path]:
    folder = root / path.strip("/")
    yield folder
    while folder != root:
        folder = folder.parent
        yield folder


def _quotas(folder: Path) -> Iterator[float]:
    v2 = _read(folder / "cpu.max").split()
    v1 = [_read(folder / name).strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
    for fields in (v2, v1):
        match fields:
            case quota_us, period_us if quota_us.isdigit() and period_us.isdigit():
                yield int(quota_us) / int(period_us)
            case _:  # no such file; or "max" and "-1", which mean no limit
                continue


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # no such cgroup version, or it is hidden from us: no limit we could know
        return ""
