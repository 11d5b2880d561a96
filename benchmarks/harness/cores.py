"""Which core measures and which one makes the load, so that neither disturbs the other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

Cores = frozenset[int]


def all_cores() -> Cores:
    """Return the cores this process may run on."""
    return frozenset(os.sched_getaffinity(0))


def measured_core() -> Cores:
    """Return the core for the process under measurement."""
    return frozenset({min(_ALLOWED)})


def load_core() -> Cores:
    """Return the core for the load: not a hyper-thread of the measured one, if there is a choice.

    With a single core both share it.
    """
    measured = min(_ALLOWED)
    others = sorted(_ALLOWED - {measured})
    apart = [core for core in others if core not in _siblings(measured)]
    return frozenset({(apart or others or [measured])[0]})


def server_cores() -> Cores:
    """Return the cores for a server of several processes: all but the load's, if two are left."""
    apart = _ALLOWED - load_core()
    return apart if len(apart) > 1 else _ALLOWED


@contextmanager
def running_on(cores: Cores) -> Iterator[None]:
    """Move this thread to some cores; a process started meanwhile inherits them."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _siblings(core: int) -> set[int]:
    path = Path(f"/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list")
    try:
        text = path.read_text().strip()
    except OSError:
        return {core}
    siblings: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        siblings.update(range(int(first), int(last or first) + 1))
    return siblings


_ALLOWED = all_cores()
