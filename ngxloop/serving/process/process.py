"""Fork a child: the few steps between fork() and the child's own code, and after its end.

Rules.
1. Every signal is blocked around the fork; the worker resets its handlers before it lets
   any in.
2. The worker leaves by os._exit(): the caller's stack, which it has inherited, belongs to the
   master, and so do exit functions registered before the fork. (multiprocessing does the same.)
3. The descriptors of keep_private() are closed first in every child that is forked here: workers,
   and the processes that preload and watch.
4. Between two forks of fork_all() nearly nothing is done. After a fork the kernel copies each page
   that is written to, and CPython writes to what it reads, for its reference counts.
"""

import atexit
import contextlib
import dataclasses
import functools
import logging
import os
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import NoReturn

from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.children import (
    disown,
    ended_children,
    foreign_children,
    forget_starts,
)
from ngxloop.serving.process.signals import DUMP_SIGNAL, reset_in_worker, signals_blocked
from ngxloop.serving.process.stacks import write_stacks_on

_private_fds: set[int] = set()


def keep_private(fd: int) -> None:
    """Close this descriptor in every process that is forked from now on."""
    _private_fds.add(fd)


def close_private(fd: int) -> None:
    """Close a descriptor that keep_private() was given."""
    if fd in _private_fds:  # else we are such a child, and the number may be another file's
        _private_fds.remove(fd)
        os.close(fd)


@dataclasses.dataclass(frozen=True)
class Child:
    """What a process does that is forked."""

    forget: Callable[[], None]  # closes what belongs to the master
    work: Callable[[], int]  # returns the exit status
    keeps_exit_functions: bool = False  # what was registered with atexit before is its to call
    stacks_fd: int = -1  # where it writes its stacks; by default to standard error
    prepare: Callable[[], object] | None = None  # called in the master, just before the fork


def fork_child(
    forget: Callable[[], None],
    work: Callable[[], int],
    keeps_exit_functions: bool = False,
    stacks_fd: int = -1,
) -> int:
    """Fork, and return the process id, in the parent only.

    Args:
        forget: Closes, in the child, what belongs to the master.
        work: The child's work; returns its exit status.
        keeps_exit_functions: What was registered with atexit before is the child's to call.
        stacks_fd: Where the child writes its stacks; by default to standard error.

    Raises:
        OSError: fork() failed.
    """
    (outcome,) = fork_all([Child(forget, work, keeps_exit_functions, stacks_fd)])
    if isinstance(outcome, OSError):
        raise outcome
    return outcome


def fork_all(children: Iterable[Child]) -> list[int | OSError]:
    """Fork, and return each process id, or why there is none; in the parent only."""
    outcomes: list[int | OSError] = []
    _flush_streams()  # or all processes would write what is buffered
    for child in children:
        if child.prepare is not None:
            child.prepare()  # a program that it starts would inherit blocked signals
        with signals_blocked():
            try:
                pid = os.fork()
            except OSError as error:
                outcomes.append(error)
                continue
            if pid == 0:
                _run_child(child)
            disown(pid)
            outcomes.append(pid)
    return outcomes


def has_ended(pid: int) -> bool:
    """Say whether a child has ended, or was reaped by other code in this process in this program.

    It is not reaped: its id is not given to another process yet.
    """
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def exit_code(pid: int) -> int | None:
    """Reap a child that has ended; return its exit code, None if that is lost."""
    try:
        found, status = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return os.waitstatus_to_exitcode(status) if found else None


def reap_strays(ours: AbstractSet[int]) -> None:
    """Reap orphans of other processes; see children.py.

    One of ours that ends meanwhile has a SIGCHLD on its way.
    """
    peek = os.WEXITED | os.WNOHANG | os.WNOWAIT
    with foreign_children() as others, contextlib.suppress(ChildProcessError):  # none is left
        while (found := os.waitid(os.P_ALL, 0, peek)) and found.si_pid not in ours | others:
            _reap_stray(found.si_pid)
        if found and found.si_pid in others:  # it stays the first until its starter waits for it
            for pid in ended_children():
                if pid not in ours | others:
                    _reap_stray(pid)


def _reap_stray(pid: int) -> None:
    os.waitpid(pid, os.WNOHANG)
    log.debug("reaped process %d, an orphan", pid)


def wait_and_kill(pid: int, deadline: float, what: str) -> None:
    """Wait until a child has ended; kill it when the time is over."""
    with contextlib.suppress(OSError):  # it was reaped
        fd = os.pidfd_open(pid)
        try:
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                log.warning("%s (process %d) did not exit in time; killed", what, pid)
                os.kill(pid, signal.SIGKILL)
        finally:
            os.close(fd)
        os.waitpid(pid, os.WNOHANG)


def exit_reason(code: int | None) -> str:
    """Return in words how a process ended: its exit code, below 0 for a signal."""
    if code is None:
        return "was reaped by other code in this process"
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal without a name
        return f"was killed by signal {-code}"


def _run_child(child: Child) -> NoReturn:
    status: int = ExitCode.INTERNAL
    try:  # from its first moment: what rises out of here would go on as a second master
        _close_private_fds()
        forget_starts()
        if not child.keeps_exit_functions:
            atexit._clear()
        write_stacks_on(DUMP_SIGNAL, child.stacks_fd)
        reset_in_worker()
        child.forget()
        status = child.work()
    except SystemExit as error:  # the application called sys.exit()
        status = _status_of(error)
    except KeyboardInterrupt as error:
        status = _status_of_interrupt(error)
    except BaseException:
        traceback.print_exc()
    finally:
        _leave(status)


def _close_private_fds() -> None:
    for fd in _private_fds:
        os.close(fd)
    _private_fds.clear()


def _status_of(error: SystemExit) -> int:
    """Return the exit status that the interpreter would use, and print what it would print."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def _status_of_interrupt(error: KeyboardInterrupt) -> int:
    """Return the status that a shell shows, or that of the sys.exit() that it has interrupted."""
    if isinstance(error.__context__, SystemExit):
        return _status_of(error.__context__)
    return 128 + signal.SIGINT


def _leave(status: int) -> NoReturn:
    """End the process as the interpreter would: wait for threads, run exit functions, flush.

    A signal that a script is told to end by ends the wait, and no more than that.
    """
    try:
        sys.unraisablehook = functools.partial(_show_unraisable, sys.unraisablehook)
        steps: tuple[Callable[[], object], ...] = (
            threading._shutdown,  # type: ignore[attr-defined]
            atexit._run_exitfuncs,
            logging.shutdown,
            _flush_streams,
        )
        for step in steps:
            _do_last(step)
    finally:
        os._exit(status)


def _do_last(step: Callable[[], object]) -> None:
    try:
        step()
    except (KeyboardInterrupt, SystemExit):
        return
    except BaseException:
        traceback.print_exc()


def _show_unraisable(
    show: Callable[["sys.UnraisableHookArgs"], object], found: "sys.UnraisableHookArgs"
) -> None:
    """Show an exception but an interruption: since 3.13 the wait for threads shows it by itself."""
    if not issubclass(found.exc_type, KeyboardInterrupt | SystemExit):
        show(found)


def _flush_streams() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, OSError, ValueError):  # no stream, or nobody reads it
            continue
