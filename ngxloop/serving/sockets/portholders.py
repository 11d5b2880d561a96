"""Name the processes that have a socket at an address: they are in the way of a bind().

The kernel lists sockets by address and inode (/proc/net, proc(5)), and the descriptors of each
process by inode. Only root sees those of other users.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from ngxloop.serving.base.plaintext import one_line

_LISTENS = "0A"  # TCP_LISTEN, include/net/tcp_states.h
_NAMED = 3  # processes that are named; a server may have many workers


def name_holders(family: int, address: tuple[str, int] | str) -> str:
    """Return "process 7 (nginx), process 8 (nginx)", "" if nobody can be found.

    Args:
        family: Of the socket that could not be bound.
        address: Of a listening TCP socket, or the path of a Unix socket.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        inodes = set(_inodes(family, address))
        if inodes:
            found = list(_holders(inodes))
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            return ", ".join(found[:_NAMED]) + more
    return ""


# Private -----------------------------------------------------------------------------------------


def _inodes(family: int, address: tuple[str, int] | str) -> Iterator[str]:
    if family == socket.AF_UNIX:
        for line in _lines("unix"):
            fields = line.split(None, 7)
            if len(fields) == 8 and fields[7] == address:  # noqa: PLR2004 - with a path
                yield fields[6]
        return
    for name in ("tcp", "tcp6"):  # a wildcard of the other family can be in the way, too
        for line in _lines(name):
            fields = line.split()
            if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == address[1]:
                yield fields[9]


def _lines(name: str) -> list[str]:
    with contextlib.suppress(FileNotFoundError):  # a kernel without that family
        return Path(f"/proc/net/{name}").read_text(errors="replace").splitlines()[1:]
    return []


def _holders(inodes: set[str]) -> Iterator[str]:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid in sorted(map(int, filter(str.isdigit, os.listdir("/proc")))):
        with contextlib.suppress(OSError):  # another user's, or it has ended
            if wanted & set(_links(pid)):
                yield f"process {pid} ({one_line(Path(f'/proc/{pid}/comm').read_text().strip())})"


def _links(pid: int) -> Iterator[str]:
    folder = f"/proc/{pid}/fd"
    for fd in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(f"{folder}/{fd}")
