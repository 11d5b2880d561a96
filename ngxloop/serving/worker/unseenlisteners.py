"""Find out whether a program serves where no listen() of Python's was called.

A library in C (gRPC), an event loop in C or a child process (uvicorn's workers) listens unseen. The
kernel knows it. A listening socket (SO_ACCEPTCONN) that is not shared is the program's own. A
shared one has listened since the first worker did, so what counts is an epoll instance that watches
it, in this process or in one that descends from it.

What is not found: a child that accepts without epoll, or has sockets of its own. A program like
that needs --ready-on start.
"""

import contextlib
import ctypes
import dataclasses
import os
import socket
from collections.abc import Collection, Iterator

_FD_LIMIT = 4096  # looked at in one process
_PROCESS_LIMIT = 64
_libc = ctypes.CDLL(None)


@dataclasses.dataclass(frozen=True)
class UnseenListener:
    """A listening socket, and the process that waits for connections to it."""

    fd: int  # in this process
    pid: int
    is_shared: bool


def find_listener(
    shared: Collection[int], heard: Collection[int], known: Collection[int]
) -> UnseenListener | None:
    """Return how the program serves, None if it is not seen to.

    Args:
        shared: The inodes of the sockets that the master has bound.
        heard: Those of sockets on which Python's listen() was called in this process: it is told
            by itself that it accepts at them.
        known: Those of listening sockets from before the program began.
    """
    open_fds: dict[int, int] = {}
    for inode, fd in listening_inodes().items():
        if inode in shared:
            open_fds[inode] = fd
        elif inode not in known:
            return UnseenListener(fd, os.getpid(), is_shared=False)
    for pid in _family() if open_fds else ():
        told = heard if pid == os.getpid() else ()
        for inode in _watched_inodes(pid):
            if inode in open_fds and inode not in told:
                return UnseenListener(open_fds[inode], pid, is_shared=True)
    return None


def listening_inodes() -> dict[int, int]:
    """Return the listening sockets of this process: inode and descriptor."""
    return {
        inode: fd
        for fd, link in _descriptors(os.getpid())
        if (inode := _socket_inode(link)) and _is_listening(fd)
    }


def _descriptors(pid: int) -> Iterator[tuple[int, str]]:
    """Yield the descriptors of a process and what they are; nothing if we may not look."""
    folder = f"/proc/{pid}/fd"
    with contextlib.suppress(OSError):
        for name in os.listdir(folder)[:_FD_LIMIT]:
            with contextlib.suppress(OSError):  # closed meanwhile
                yield int(name), os.readlink(f"{folder}/{name}")


def _socket_inode(link: str) -> int:
    """Return the inode of a socket, 0 for other files."""
    return int(link[8:-1]) if link.startswith("socket:[") else 0


def _is_listening(fd: int) -> bool:
    """Ask the kernel. A socket object would do it, too, but a default time-out changes the file."""
    value, size = ctypes.c_int(), ctypes.c_uint(ctypes.sizeof(ctypes.c_int))
    result = _libc.getsockopt(
        fd, socket.SOL_SOCKET, socket.SO_ACCEPTCONN, ctypes.byref(value), ctypes.byref(size)
    )
    return result == 0 and value.value != 0


def _family() -> Iterator[int]:
    """Yield this process and those that descend from it."""
    waiting = [os.getpid()]
    for _ in range(_PROCESS_LIMIT):
        if not waiting:
            return
        pid = waiting.pop(0)
        yield pid
        waiting += _children(pid)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    folder = f"/proc/{pid}/task"
    with contextlib.suppress(OSError):
        for thread in os.listdir(folder):
            with open(f"{folder}/{thread}/children", encoding="ascii") as file:
                found += map(int, file.read().split())
    return found


def _watched_inodes(pid: int) -> Iterator[int]:
    """Yield the inodes of the sockets that a process watches with epoll."""
    links = dict(_descriptors(pid))
    for fd, link in links.items():
        if link == "anon_inode:[eventpoll]":
            for watched in _watched_by(pid, fd):
                yield _socket_inode(links.get(watched, ""))


def _watched_by(pid: int, fd: int) -> list[int]:
    """Return the descriptors that an epoll instance watches: proc(5), /proc/pid/fdinfo."""
    try:
        with open(f"/proc/{pid}/fdinfo/{fd}", encoding="ascii") as file:
            lines = file.readlines(_FD_LIMIT * 80)
    except OSError:
        return []
    return [int(line.split()[1]) for line in lines if line.startswith("tfd:")]
