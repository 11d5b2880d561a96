"""Listening sockets: the master's, shared by all workers; who has which, and who closes it.

Rules. nginx: ngx_listening_t (core/ngx_connection.h).
1. listen() is called by the master and never in a worker: asyncio's create_server(sock=...) would
   listen again with a backlog of 100 and shrink the queue for everyone (measured: 2048 to 100).
2. A Unix socket file belongs to the process that made it; only that one removes it.
"""

import dataclasses
import os
import select
import socket
from collections.abc import Iterable, Sequence
from typing import Any

from ngxloop.serving.base.plaintext import one_line
from ngxloop.serving.options.binds import TcpBind
from ngxloop.serving.process.closing import close_socket
from ngxloop.serving.sockets.socketfiles import remove_file


class ListeningSocket(socket.socket):
    """A listening socket whose queue was set up by the master; listen() leaves it alone."""

    def listen(self, backlog: int = 0, /) -> None:
        """Do nothing, see rule 1."""

    def open_queue(self, backlog: int) -> None:
        """Begin to listen."""
        super().listen(backlog)


@dataclasses.dataclass(frozen=True)
class Opened:
    """One open listening socket, and where it comes from."""

    key: str  # the --bind value that it was opened for
    sock: ListeningSocket
    file: tuple[int, int] | None = None  # device and inode of a Unix socket's file
    copy: int | None = None  # of the sockets that one address has in mode reuseport


class Listeners:
    """The open listening sockets of one generation; those that did not change are shared by two."""

    def __init__(self, opened: Sequence[Opened] = ()) -> None:
        self.opened: list[Opened] = list(opened)
        self._owner_pid = os.getpid()

    @property
    def sockets(self) -> list[ListeningSocket]:
        """Return the sockets, in the order of the addresses."""
        return [opened.sock for opened in self.opened]

    def opened_for(self, number: int) -> list[Opened]:
        """Return what the worker of that number has: in mode reuseport some is its own."""
        return [opened for opened in self.opened if opened.copy in (None, self._copy(number))]

    def sockets_for(self, number: int) -> list[ListeningSocket]:
        """Return the sockets for the worker of that number."""
        return [opened.sock for opened in self.opened_for(number)]

    def keep_own(self, number: int) -> None:
        """Close, in the worker of that number, the sockets of the others."""
        own = self.sockets_for(number)
        for sock in self.sockets:
            if sock not in own:
                sock.close()

    def _copy(self, number: int) -> int:
        count = 1 + max((opened.copy or 0 for opened in self.opened), default=0)
        return number % count

    def find(self, key: str) -> list[Opened]:
        """Return what was opened for a --bind value."""
        return [opened for opened in self.opened if opened.key == key]

    def find_address(self, family: int, address: Any) -> ListeningSocket | None:
        """Return the socket that is bound to an address: the same one by another name, perhaps."""
        return find_bound(self.sockets, family, address)

    def close(self, keep: "Listeners | None" = None, leave_files: bool = False) -> None:
        """Close all that another one does not have too, and remove their Unix socket files.

        Args:
            keep: Whose sockets stay open.
            leave_files: Another master goes on with the Unix sockets.
        """
        kept = set(keep.sockets) if keep else set()
        for opened in self.opened:
            is_open = opened.sock.fileno() >= 0  # else another generation, which had it too, did it
            if opened.sock not in kept and is_open:
                if opened.file is not None and not leave_files and os.getpid() == self._owner_pid:
                    remove_file(opened.sock.getsockname(), opened.file)
                close_socket(opened.sock)
        self.opened = [opened for opened in self.opened if opened.sock in kept]

    def describe(self) -> list[str]:
        """Return each address as people write it, with the real port."""
        return list(dict.fromkeys(describe_address(sock) for sock in self.sockets))


def find_bound(
    sockets: Iterable[ListeningSocket], family: int, address: Any
) -> ListeningSocket | None:
    """Return the socket that is bound to an address."""
    for sock in sockets:
        if sock.family == family and _is_same_address(sock.getsockname(), address):
            return sock
    return None


def can_accept(sock: socket.socket) -> bool:
    """Say whether a listening socket still listens: a worker may have shut it down, for all.

    A Unix socket stays in the state LISTEN then, but is at the end of its input for ever.
    """
    if sock.type != socket.SOCK_STREAM:
        return True
    if sock.family == socket.AF_UNIX:
        return not is_shut_down(sock)
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def is_shut_down(sock: socket.socket) -> bool:
    """Say whether a Unix socket was shut down for receiving, which nothing can undo."""
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return any(events & select.POLLRDHUP for _, events in poll.poll(0))


def is_listening(sock: socket.socket) -> bool:
    """Say whether connections can come: epoll reports any other socket all the time."""
    is_stream = sock.type == socket.SOCK_STREAM
    is_open = bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    return is_stream and is_open and can_accept(sock)


def describe_address(sock: socket.socket) -> str:
    """Return the address of a listening socket as a --bind value that would name it."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        text = f"@{os.fsdecode(name[1:])}" if isinstance(name, bytes) else name
        return f"unix:{one_line(text)}"
    return str(TcpBind(name[0], name[1]))


def _is_same_address(bound: Any, wanted: Any) -> bool:
    """Compare two socket addresses; of IPv6 ones the first two parts, a path by itself."""
    return bound[:2] == wanted[:2] if isinstance(bound, tuple) else bool(bound == wanted)
