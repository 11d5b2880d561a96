"""Do one thing with the rights of another user, in a short-lived process of its own.

How it works. The master forks; the child closes every descriptor that it does not need, takes on
the effective user and groups, does the one thing, sends the outcome through a pipe and ends.

Why not seteuid() in the master. A failure to come back, the umask, the death signal and
PR_SET_DUMPABLE, which every change of the effective user resets, would be the master's problem; and
a file system that does not answer would block the master. A child can be killed.

Why the real user stays root. kill(2) and ptrace(2) compare the real and the saved user id: no
process of that user can stop, kill or trace the child. The kernel judges every path and every port
by the effective id, with which the capabilities have gone (capabilities(7)).
"""

import contextlib
import errno
import os
import select
import signal
from collections.abc import Callable, Iterable
from typing import NoReturn

from ngxloop.serving.privileges import Identity
from ngxloop.serving.signals import signals_blocked

_DONE, _FAILED = b"d", b"f"
_ANSWER_BYTES = 4096  # of an outcome; a pipe takes that much in one write: PIPE_BUF, pipe(7)

# Children that were killed and had not ended yet: a process that waits for a network file system
# may take its time even then. They are reaped when the next one is needed.
_killed: list[int] = []


def act_as(
    identity: Identity | None,
    action: Callable[[], bytes],
    seconds: float,
    fds: Iterable[int] = (),
) -> bytes:
    """Return what the action returns; it has the rights of the identity.

    Args:
        identity: The user and the groups; None to call the action here, with the rights we have.
        action: Returns few bytes, or raises OSError. It must not change this process.
        seconds: How long it may take in another process.
        fds: Descriptors that the action uses.

    Raises:
        OSError: The action raised it, there can be no process, or the time is over (ETIMEDOUT).
    """
    if identity is None:
        return action()
    _reap_killed()
    _ = identity.groups  # looked up here, once, and not in each child
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    try:
        try:
            pid = _fork(identity, action, {write_fd, *fds}, write_fd)
        finally:
            os.close(write_fd)
        outcome = _wait_for_outcome(pid, read_fd, seconds)
    finally:
        os.close(read_fd)
    if outcome[:1] == _FAILED:
        number = int(outcome[1:])
        raise OSError(number, os.strerror(number))
    return outcome[1:]


def _wait_for_outcome(pid: int, read_fd: int, seconds: float) -> bytes:
    poll = select.poll()
    poll.register(read_fd, select.POLLIN)
    outcome = os.read(read_fd, _ANSWER_BYTES) if poll.poll(seconds * 1000) else None
    if outcome:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        return outcome
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    _killed.append(pid)
    _reap_killed()
    number = errno.ETIMEDOUT if outcome is None else errno.EIO  # it was killed, by root or for RAM
    raise OSError(number, os.strerror(number))


def _reap_killed() -> None:
    for pid in _killed[:]:
        try:
            has_ended = os.waitpid(pid, os.WNOHANG)[0] != 0
        except ChildProcessError:  # reaped as an orphan
            has_ended = True
        if has_ended:
            _killed.remove(pid)


# The child -----------------------------------------------------------------------------------


def _fork(identity: Identity, action: Callable[[], bytes], keep: set[int], write_fd: int) -> int:
    with signals_blocked():  # the child lets none in: it ends soon, or by SIGKILL
        pid = os.fork()
        if pid == 0:
            _run_child(identity, action, keep, write_fd)
    return pid


def _run_child(
    identity: Identity, action: Callable[[], bytes], keep: set[int], write_fd: int
) -> NoReturn:
    status = 1
    try:
        os.write(write_fd, _outcome(identity, action, keep))
        status = 0
    finally:
        os._exit(status)  # without a traceback: standard error is closed


def _outcome(identity: Identity, action: Callable[[], bytes], keep: set[int]) -> bytes:
    try:
        _close_all_but(keep)
        identity.take_on_effectively()
        return _DONE + action()
    except OSError as error:
        return _FAILED + str(error.errno or errno.EINVAL).encode()


def _close_all_but(keep: set[int]) -> None:
    """Close what we have inherited: a copy of a channel hides its end of file from the master.

    By name, because os.closerange() tries every number where the C library has no close_range().
    """
    for name in os.listdir("/proc/self/fd"):
        if int(name) not in keep:
            with contextlib.suppress(OSError):  # the one that has listed the folder
                os.close(int(name))
