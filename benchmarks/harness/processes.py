"""The CPU time of a master and of all that it has started."""

import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.harness.question import CaseFailedError

CpuTimes = Mapping[int, float]

# A process that a server has started for its start only, as ngxloop's keeper, is gone by then.
_SETTLED_SECONDS = 0.3
_SETTLE_LIMIT_SECONDS = 10.0

_CPU_CLOCK = 2  # CPUCLOCK_SCHED, include/linux/posix-timers_types.h: user and system together


def cpu_times(master_pid: int) -> CpuTimes:
    """Return the CPU seconds of a process and of all its descendants, to the nanosecond."""
    return {pid: _cpu_seconds(pid) for pid in process_tree(master_pid)}


def settled_cpu_times(master_pid: int) -> CpuTimes:
    """Return cpu_times() as soon as no process has started or ended for a moment."""
    limit = time.monotonic() + _SETTLE_LIMIT_SECONDS
    found, since = process_tree(master_pid), time.monotonic()
    while time.monotonic() < min(since + _SETTLED_SECONDS, limit):
        time.sleep(_SETTLED_SECONDS / 10)
        if found != (found := process_tree(master_pid)):
            since = time.monotonic()
    return cpu_times(master_pid)


def cpu_seconds_between(before: CpuTimes, after: CpuTimes) -> float:
    """Return what was used; CaseFailedError if a process has ended, as its time is unknown."""
    if gone := before.keys() - after.keys():
        raise CaseFailedError(f"{len(gone)} of {len(before)} processes ended under load")
    return sum(used - before.get(pid, 0.0) for pid, used in after.items())


def process_tree(master_pid: int) -> list[int]:
    """Return a process and all its descendants."""
    children: dict[int, list[int]] = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found = [master_pid]
    for pid in found:  # grows meanwhile
        found += children.get(pid, [])
    return found


def voluntary_switches(pid: int) -> int:
    """Return how often a process has gone to sleep by itself, and so was woken."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("voluntary_ctxt_switches:"):
            return int(line.split()[1])
    raise CaseFailedError("the kernel does not count context switches")


def is_asleep(pid: int) -> bool:
    """Return whether a process waits for something."""
    return _stat_fields(pid)[0] == "S"


def has_ended(pid: int) -> bool:
    """Return whether a process is gone, or only waits for its parent to notice."""
    try:
        return _stat_fields(pid)[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def _parents() -> list[tuple[int, int]]:
    """Return process id and parent of all processes; those that end meanwhile are left out."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found.append((int(folder.name), int(_stat_fields(int(folder.name))[1])))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def _stat_fields(pid: int) -> list[str]:
    """Return what follows the name in /proc/PID/stat: state, parent, and more."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def _cpu_seconds(pid: int) -> float:
    """Read the process's CPU clock, whose id is what clock_getcpuclockid(3) computes."""
    try:
        return time.clock_gettime(~pid << 3 | _CPU_CLOCK)
    except OSError as error:
        raise CaseFailedError(f"process {pid} ended under load") from error
