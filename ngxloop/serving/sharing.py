"""The master's side of shared sockets: programs in the workers bind an address, it is bound once.

A worker that runs a program of its own (borrowing.py) sends each socket that the program binds over
its channel, with the address. The first one for an address is bound here, so that the socket keeps
the options that the program has set; whoever asks for the same address later gets that socket. An
asker waits for its answer at a socket of its own, which comes with the request: the channel stays a
line of messages that nobody answers. (Node's cluster module shares the same way.)

Rules.
1. A socket stays open while workers come and go: over respawns, and over a reload until the last
   worker of an older generation than those that asked for it is gone.
2. It is closed when every worker that had it has closed it: the program has ended its server.
3. Port 0 is one address each time it is asked for: the first request of every worker gets one
   port, the second another one.
4. --bind goes before: an address that the master opened itself is given as it is.
"""

import contextlib
import dataclasses
import json
import os
import socket
from collections.abc import Callable, Iterable
from typing import Any

from ngxloop.serving.channel import Message
from ngxloop.serving.listeners import describe_address
from ngxloop.serving.logs import log
from ngxloop.serving.socketfiles import file_identity, is_dead_socket, remove_file

# The first byte of an answer.
BOUND = b"b"  # the socket that was sent is bound now
SHARED = b"s"  # use the one that comes with this
FAILED = b"f"  # the errno follows, as text

Address = tuple[Any, ...] | str


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What a program binds: equal requests get the same socket."""

    family: int
    type: int
    address: Address  # as bind() takes it, without names: a path, or a tuple
    ordinal: int | None = None  # of several requests for port 0

    def pack(self) -> bytes:
        """Return it as the payload of a message."""
        return json.dumps(dataclasses.astuple(self)).encode()

    @classmethod
    def unpack(cls, payload: bytes) -> "Wanted":
        """Return what pack() wrote."""
        family, kind, address, ordinal = json.loads(payload)
        if not isinstance(address, str):
            address = tuple(address)
        return cls(family, kind, address, ordinal)

    @property
    def path(self) -> str | None:
        """Return the socket file, None if the address is none in the file system."""
        if isinstance(self.address, str) and not self.address.startswith("\0"):
            return self.address
        return None


@dataclasses.dataclass
class _Shared:
    """A socket that programs have asked for."""

    sock: socket.socket
    file: tuple[int, int] | None  # device and inode of a Unix socket's file
    generation: int = 0  # the newest that asked
    holders: set[int] = dataclasses.field(default_factory=set)  # process ids, of the dead too


@dataclasses.dataclass(frozen=True)
class Asker:
    """The worker whose program asks."""

    name: str
    pid: int
    generation: int
    find_listener: Callable[[int, Any], socket.socket | None]  # among those that --bind opened


class SharedSockets:
    """Every socket that the programs in the workers have asked for."""

    def __init__(self) -> None:
        self._sockets: dict[Wanted, _Shared] = {}

    @property
    def sockets(self) -> list[socket.socket]:
        """Return the sockets, in the order in which they were asked for."""
        return [shared.sock for shared in self._sockets.values()]

    def describe(self) -> list[str]:
        """Return each address as people write it, with the real port."""
        return [describe_address(sock) for sock in self.sockets]

    def leave(self) -> list[tuple[str, int]]:
        """Return what a successor needs: each socket's request and its descriptor."""
        return [
            (wanted.pack().decode(), one.sock.fileno()) for wanted, one in self._sockets.items()
        ]

    def inherit(self, key: str, sock: socket.socket) -> None:
        """Take a socket over from the master before us; see leave()."""
        wanted = Wanted.unpack(key.encode())
        file = None
        if wanted.path is not None and os.path.lexists(wanted.path):
            file = file_identity(wanted.path)
        self._sockets[wanted] = _Shared(sock, file)

    def answer_bind(self, asker: Asker, message: Message) -> None:
        """Bind what the program of a worker wants to bind, or hand out what is bound already."""
        wanted = Wanted.unpack(message.payload)
        reply = socket.socket(fileno=message.fds[0])
        offered = socket.socket(fileno=message.fds[1])
        with reply:
            reply.setblocking(False)  # an asker that does not read is no reason to wait
            listener = _find_opened(asker, wanted)
            if listener is not None:
                offered.close()
                _answer(reply, SHARED, [listener.fileno()])
                return
            shared = self._sockets.get(wanted)
            if shared is None:
                self._bind(asker, wanted, offered, reply)
            else:
                offered.close()
                _lend(asker, shared)
                _answer(reply, SHARED, [shared.sock.fileno()])

    def answer_release(self, pid: int, message: Message, live_pids: Iterable[int]) -> None:
        """The program of a worker has closed a socket; the last one closes it for all."""
        wanted = Wanted.unpack(message.payload)
        shared = self._sockets.get(wanted)
        if shared is not None:
            shared.holders.discard(pid)
            if shared.holders.isdisjoint(live_pids):
                self._drop(wanted)

    def drop_older(self, generation: int) -> None:
        """Close what no worker of this generation or a newer one has asked for."""
        for wanted, shared in list(self._sockets.items()):
            if shared.generation < generation:
                self._drop(wanted)

    def close(self, leave_files: bool = False) -> None:
        """Close all, and remove the Unix socket files that are still ours."""
        for wanted in list(self._sockets):
            self._drop(wanted, leave_files)

    def close_in_worker(self) -> None:
        """Close the copies that a forked worker has; its program asks for what it needs."""
        for sock in self.sockets:
            sock.close()
        self._sockets.clear()

    # Private -----------------------------------------------------------------------------------

    def _bind(
        self, asker: Asker, wanted: Wanted, offered: socket.socket, reply: socket.socket
    ) -> None:
        try:
            _bind(wanted, offered)
        except OSError as error:
            offered.close()
            _answer(reply, FAILED + str(error.errno or 0).encode())
            return
        file = file_identity(wanted.path) if wanted.path is not None else None
        self._sockets[wanted] = shared = _Shared(offered, file)
        _lend(asker, shared)
        log.info("listening on %s, for %s", describe_address(offered), asker.name)
        _answer(reply, BOUND)

    def _drop(self, wanted: Wanted, leave_file: bool = False) -> None:
        shared = self._sockets.pop(wanted)
        name = describe_address(shared.sock)
        if shared.file is not None and wanted.path is not None and not leave_file:
            remove_file(wanted.path, shared.file)
        shared.sock.close()
        log.debug("closed %s, for which no program asks any more", name)


def _find_opened(asker: Asker, wanted: Wanted) -> socket.socket | None:
    """Return the socket that --bind has opened at the address."""
    if wanted.type != socket.SOCK_STREAM or wanted.ordinal is not None:
        return None
    return asker.find_listener(wanted.family, wanted.address)


def _lend(asker: Asker, shared: _Shared) -> None:
    shared.holders.add(asker.pid)
    shared.generation = max(shared.generation, asker.generation)


def _bind(wanted: Wanted, sock: socket.socket) -> None:
    """Bind, unless the program itself has: it did not know yet whether it would listen."""
    name = sock.getsockname()
    if isinstance(wanted.address, tuple) and name[1] != 0:
        return
    path = wanted.path
    if path is not None and is_dead_socket(path):
        os.unlink(path)
    sock.bind(wanted.address)


def _answer(reply: socket.socket, data: bytes, fds: Iterable[int] = ()) -> None:
    with contextlib.suppress(OSError):  # the asker is gone
        socket.send_fds(reply, [data], list(fds))
