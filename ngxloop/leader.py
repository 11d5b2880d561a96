"""Work that is to be done once, not in every worker: one of them is the leader.

    async def clean_up_every_hour():
        await ngxloop.leader.wait_until_leader()
        ...

How it works. The master opens a file in memory, which all workers inherit; the leader is the one
that holds the lock on it (fcntl(2), F_SETLK: a lock belongs to a process, and ends with it). So at
most one worker leads at any time, over reloads and upgrades of the master, which hands the file
on; when it drains or dies, however it dies, the next one that asks leads. It takes no message, no
election and nobody's memory.
A program without a master leads itself.
"""

import asyncio
import fcntl
import os

_ASK_AGAIN_SECONDS = 1.0


class _Lock:
    """What this process knows of the leadership."""

    fd = -1  # of the file with the lock; -1: there is no master
    has_resigned = False


_lock = _Lock()


def is_leader() -> bool:
    """Say whether this worker leads now; who asks first, while nobody does, becomes the leader."""
    if _lock.has_resigned:
        return False
    if _lock.fd < 0:
        return True
    try:
        fcntl.lockf(_lock.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # again, if it is ours: no change
    except OSError:  # EACCES or EAGAIN: it is another's
        return False
    return True


async def wait_until_leader() -> None:
    """Wait until this worker leads; it asks once a second, and never ends in one that drains."""
    while not is_leader():  # noqa: ASYNC110 - what ends another process's lock tells nobody
        await asyncio.sleep(_ASK_AGAIN_SECONDS)


def open_lock(fd: int | None = None) -> None:
    """Let the workers that are forked from now on have a leader; for the master.

    Args:
        fd: The file of the master before us, which we close in the end.
    """
    if _lock.fd < 0:
        _lock.fd = os.memfd_create("ngxloop-leader", os.MFD_CLOEXEC) if fd is None else fd


def lock_fd() -> int:
    """Return the descriptor of the file, for the master after us; -1 if there is none."""
    return _lock.fd


def close_lock() -> None:
    """Forget the lock; for a master that ends."""
    if _lock.fd >= 0:
        os.close(_lock.fd)
        _lock.fd = -1


def resign() -> None:
    """Let another worker lead; for one that drains."""
    _lock.has_resigned = True
    if _lock.fd >= 0:
        fcntl.lockf(_lock.fd, fcntl.LOCK_UN)
