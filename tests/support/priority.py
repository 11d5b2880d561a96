"""Processes that a busy machine does not keep from running, where we may have that."""

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def undisturbed(*pids: int) -> Iterator[None]:
    """Let this thread and the processes run before all others while the block lasts: for a moment.

    For what depends on each process running once it is woken. Real-time priority is a privilege
    (CAP_SYS_NICE, sched(7)): without it they share the machine with all others. The nice value
    would not do: it counts among the processes of one session, and pytest's is one of many.
    """
    changed = [pid for pid in (0, *pids) if _schedule(pid, os.SCHED_RR, 1)]
    try:
        yield
    finally:
        for pid in changed:
            _schedule(pid, os.SCHED_OTHER, 0)


def _schedule(pid: int, policy: int, priority: int) -> bool:
    """Say whether the process is scheduled like this from now on; it may be gone."""
    with contextlib.suppress(PermissionError, ProcessLookupError):
        os.sched_setscheduler(pid, policy, os.sched_param(priority))
        return True
    return False
