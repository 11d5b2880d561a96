"""Tell children apart: the master's own, those that hooks have started, and strays.

The first process of a container, and a master that has preloaded, inherits the orphans of other
processes, here called strays, and reaps them.
The exit status of a process that a hook has started is not the master's to take: the hook waits.
The kernel does not tell a stray from a child of the process itself: parent, exit signal and place
in the list of children are the same. So the functions by which Python starts a process note its id,
in the master only; a child that nobody has noted, and that is not the master's own, is a stray.

What is not seen: a process that a library in C starts, and that of os.system() in another thread.
"""

import _posixsubprocess
import contextlib
import functools
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import ModuleType
from typing import Any

# Each returns the id of a new process, 0 in that process; forkpty() a tuple that begins with it.
_STARTERS: tuple[tuple[ModuleType, str], ...] = (
    (os, "fork"),
    (os, "forkpty"),
    (os, "posix_spawn"),
    (os, "posix_spawnp"),
    (subprocess, "_fork_exec"),
    (_posixsubprocess, "fork_exec"),  # as multiprocessing calls it
)
_TASKS = Path("/proc/self/task")

_replaced: list[tuple[ModuleType, str, Any]] = []
_noted: set[int] = set()
# Held from before a start until it is noted, as another thread may reap meanwhile. Reentrant: a
# preexec_fn, and what os.register_at_fork() calls, run inside of a start and may start another one.
_lock = threading.RLock()


def note_starts() -> None:
    """Note every process that Python code in this process starts, until forget_starts()."""
    if _replaced:
        return
    _noted.update(_find_started())
    for module, name in _STARTERS:
        starter = getattr(module, name, None)
        if starter is not None:
            _replaced.append((module, name, starter))
            setattr(module, name, _noting(starter))


def forget_starts() -> None:
    """Undo note_starts(); a child of the master does so, whose children are its own affair."""
    for module, name, starter in _replaced:
        setattr(module, name, starter)
    _replaced.clear()
    _noted.clear()


def disown(pid: int) -> None:
    """Let a process that was noted be one of the master's own."""
    _noted.discard(pid)


def is_child(pid: int) -> bool:
    """Say whether a process is our child; while it is, its id cannot be another's."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


@contextlib.contextmanager
def foreign_children() -> Iterator[AbstractSet[int]]:
    """Give the ids of the processes that were noted; no other process is started meanwhile."""
    with _lock:
        for pid in list(_noted):
            if not is_child(pid):  # its starter has its status, and the id may be another's
                _noted.discard(pid)
        yield _noted


def ended_children() -> Iterator[int]:
    """Yield the children that have ended and were not reaped; none without /proc.

    waitid() tells of the first one only, again and again until it is reaped. /proc may be that of
    an outer namespace: NSpid has an id for each namespace, from that one to the process's own.
    """
    with contextlib.suppress(OSError):
        depth = len(_ids("self")) - 1
        for task in _TASKS.iterdir():
            for child in (task / "children").read_text().split():
                ids = _ids(child, state="Z")
                if len(ids) > depth:
                    yield ids[depth]


def _noting(starter: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(starter)
    def start(*args: Any, **options: Any) -> Any:
        with _lock:
            started = starter(*args, **options)
            pid: int = started[0] if isinstance(started, tuple) else started
            if pid:
                _noted.add(pid)
        return started

    return start


def _find_started() -> Iterator[int]:
    """Yield what a program that runs a Master has started before, and has not waited for."""
    classes: list[type] = [subprocess.Popen]
    if "multiprocessing.popen_fork" in sys.modules:
        classes.append(sys.modules["multiprocessing.popen_fork"].Popen)
    for found in gc.get_objects():
        if issubclass(type(found), tuple(classes)) and getattr(found, "returncode", 0) is None:
            pid = getattr(found, "pid", None)
            if pid is not None:  # else its start has failed
                yield pid


def _ids(name: str, state: str = "") -> list[int]:
    """Return the ids of a process in each namespace; nothing if it is in another state, or gone."""
    try:
        lines = Path(f"/proc/{name}/status").read_text(errors="replace").splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return []
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    if not fields["State"].split()[0].startswith(state):
        return []
    return [int(one) for one in fields.get("NSpid", name).split()]
