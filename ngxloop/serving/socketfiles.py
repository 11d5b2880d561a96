"""The files of Unix sockets: whose they are, and when they may be removed."""

import contextlib
import os
import socket
import stat


def remove_file(path: str, identity: tuple[int, int]) -> None:
    """Remove our socket file, if it is still ours."""
    with contextlib.suppress(FileNotFoundError):
        if file_identity(path) == identity:
            os.unlink(path)


def is_dead_socket(path: str) -> bool:
    """Say whether a path is the file of a socket at which nobody listens."""
    return os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode) and not _answers(path)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # somebody listens, the queue is full
            return True
    return True


def file_identity(path: str) -> tuple[int, int]:
    """Return device and inode: what stays the same while a file is not replaced."""
    found = os.lstat(path)
    return found.st_dev, found.st_ino
