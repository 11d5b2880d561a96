"""Bind sockets, and find and remove their files, with the rights of the workers.

A path from a worker leads through folders that its user may own: a symbolic link or another file
can replace a part of it at any time. With the rights of that user nothing is gained by this.
"""

import contextlib
import socket
import struct
from collections.abc import Callable, Iterable
from typing import Any

from ngxloop.serving.bindrequest import Wanted
from ngxloop.serving.impersonation import act_as
from ngxloop.serving.limits import BIND_SECONDS
from ngxloop.serving.privileges import Identity
from ngxloop.serving.socketfiles import (
    file_identity,
    is_socket_file,
    remove_dead_socket,
    remove_file,
)

File = tuple[int, int]  # device and inode
_FILE = struct.Struct("=QQ")


def bind_as(identity: Identity | None, wanted: Wanted, sock: socket.socket) -> File | None:
    """Bind a socket, and return its file if it has one; the file of a dead socket is replaced.

    Raises:
        OSError: As bind(2) raises it for that user, or it took too long (TimeoutError).
    """
    return _act(identity, _bind, wanted, sock, fds=[sock.fileno()])


def find_file_as(identity: Identity | None, path: str) -> File | None:
    """Return the socket file at a path, None if there is none.

    Raises:
        OSError: The user may not look there, or it took too long.
    """
    return _act(identity, _identify, path)


def remove_as(identity: Identity | None, files: Iterable[tuple[str, File]]) -> None:
    """Remove socket files that are still the same.

    Raises:
        OSError: Of the last one that cannot be removed, or it took too long.
    """
    _act(identity, _remove, files)


def _act(
    identity: Identity | None,
    action: Callable[..., bytes],
    *arguments: Any,
    fds: Iterable[int] = (),
) -> File | None:
    """Call one of the functions below; return device and inode of the file, if it is about one."""
    outcome = act_as(identity, lambda: action(*arguments), BIND_SECONDS, fds)
    return _FILE.unpack(outcome) if outcome else None


def _bind(wanted: Wanted, sock: socket.socket) -> bytes:
    path = wanted.path
    if path is not None:
        remove_dead_socket(path)
    sock.bind(wanted.address)
    return b"" if path is None else _identify(path)


def _identify(path: str) -> bytes:
    """Return device and inode of a socket's file, nothing if it is gone."""
    with contextlib.suppress(FileNotFoundError):
        identity = file_identity(path)
        if is_socket_file(path):
            return _FILE.pack(*identity)
    return b""


def _remove(files: Iterable[tuple[str, File]]) -> bytes:
    """Remove those that can be removed.

    Raises:
        OSError: Of the last one that cannot.
    """
    problem: OSError | None = None
    for path, identity in files:
        try:
            remove_file(path, identity)
        except OSError as error:
            problem = error
    if problem is not None:
        raise problem
    return b""
