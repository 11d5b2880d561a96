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
5. Sockets are bound, and their files created, examined and removed, with the rights of --user
   (binding.py): a program gets what it could bind by itself, and nothing more. The kernel
   decides, net.ipv4.ip_unprivileged_port_start included. Addresses that only root can bind are
   named with --bind.
6. The worker of an application may not request sockets; see Asker.may_ask().
7. A request that fails is answered with the errno that bind(2) in the program would have had; an
   invalid request raises BadMessageError. Everything is bounded, see limits.py.
"""

import contextlib
import dataclasses
import errno
import os
import resource
import socket
from collections import defaultdict
from collections.abc import Iterable

from ngxloop.serving.asker import Account, Asker, os_error
from ngxloop.serving.badmessage import BadMessageError
from ngxloop.serving.binding import File, bind_as, find_file_as, remove_as
from ngxloop.serving.bindrequest import Request, Wanted
from ngxloop.serving.channel import Message
from ngxloop.serving.closing import close_socket
from ngxloop.serving.limits import (
    BIND_SECONDS,
    GENERATION_SOCKETS,
    LOGGED_ADDRESSES,
    SHARED_DESCRIPTOR_PART,
    SHARED_SOCKETS,
    WORKER_SOCKETS,
)
from ngxloop.serving.listeners import describe_address
from ngxloop.serving.logs import log
from ngxloop.serving.privileges import Identity

# The first byte of an answer.
BOUND = b"b"  # the socket that was sent is bound now
SHARED = b"s"  # use the one that comes with this
FAILED = b"f"  # the errno follows, as text


@dataclasses.dataclass
class _Shared:
    """A socket that programs have asked for."""

    sock: socket.socket
    file: File | None  # device and inode of a Unix socket's file
    identity: Identity | None  # the user it was bound as, None for that of the master
    generation: int = 0  # the newest that asked
    holders: set[int] = dataclasses.field(default_factory=set)  # process ids, also of dead ones


class SharedSockets:
    """Every socket that the programs in the workers have asked for."""

    def __init__(self) -> None:
        self._sockets: dict[Wanted, _Shared] = {}
        self._accounts: dict[int, Account] = {}  # by process id

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

    def inherit(self, key: str, sock: socket.socket, identity: Identity | None) -> None:
        """Take a socket over from the master before us; see leave().

        Args:
            key: The request.
            sock: What was bound for it.
            identity: The user of our workers.
        """
        try:
            wanted = Wanted.unpack(key.encode())
        except BadMessageError as error:  # of a program that is older than this one
            log.warning("%s is not taken over: %s", describe_address(sock), error)
            close_socket(sock)
            return
        file = None
        if wanted.path is not None:
            with contextlib.suppress(OSError):
                file = find_file_as(identity, wanted.path)
        self._sockets[wanted] = _Shared(sock, file, identity)

    def answer_bind(self, asker: Asker, message: Message) -> None:
        """Bind what the program of a worker wants to bind, or hand out what is bound already.

        Raises:
            BadMessageError: A program does not send such a request.
        """
        request = Request.take(message, asker.pid)
        is_kept = False
        try:
            if not asker.may_ask(request.wanted):
                raise BadMessageError("a request to bind, which only programs may send")
            sock = self._find(asker, request.wanted)
            if sock is not None:
                request.answer(SHARED, [sock.fileno()])
                return
            self._bind(asker, request)
            is_kept = True
            request.answer(BOUND)
        except OSError as error:
            request.answer(FAILED + str(error.errno or errno.EINVAL).encode())
        finally:
            request.close(keep_offered=is_kept)

    def answer_release(self, asker: Asker, message: Message) -> None:
        """The program of a worker has closed a socket; the last one closes it for all.

        Raises:
            BadMessageError: A program does not send such a release.
        """
        message.discard()
        wanted = Wanted.unpack(message.payload)
        if message.fds or not asker.may_ask(wanted):
            raise BadMessageError("a release of a socket, which only programs may send")
        shared = self._sockets.get(wanted)
        if shared is None or asker.pid not in shared.holders:  # dropped meanwhile, or not its own
            return
        shared.holders.discard(asker.pid)
        if not any(pid in asker.live_pids for pid in shared.holders):
            self._drop([wanted])

    def drop_older(self, generation: int) -> None:
        """Close what no worker of this generation or a newer one has asked for."""
        found = self._sockets.items()
        self._drop([wanted for wanted, shared in found if shared.generation < generation])

    def close(self, leave_files: bool = False) -> None:
        """Close all, and remove the Unix socket files that are still ours."""
        self._drop(list(self._sockets), leave_files)

    def close_in_worker(self) -> None:
        """Close the copies that a forked worker has; its program asks for what it needs."""
        for sock in self.sockets:
            sock.close()
        self._sockets.clear()

    # Private -----------------------------------------------------------------------------------

    def _find(self, asker: Asker, wanted: Wanted) -> socket.socket | None:
        """Return the socket that is open at the address, and note that the worker has it.

        Raises:
            OSError: It may not have it.
        """
        listener = _find_opened(asker, wanted)
        if listener is not None:
            return listener
        shared = self._sockets.get(wanted)
        if shared is None:
            return None
        identity = asker.identity
        if identity is not None and os.fstat(shared.sock.fileno()).st_uid != identity.uid:
            # A generation with another --user has bound it.
            raise os_error(errno.EADDRINUSE)
        if asker.pid not in shared.holders:
            self._check_room_of_worker(asker)
        _lend(asker, shared)
        return shared.sock

    def _bind(self, asker: Asker, request: Request) -> None:
        """Bind the socket that was sent.

        Raises:
            OSError: The kernel refuses, or a limit is reached.
        """
        self._check_room(asker)
        wanted, sock = request.wanted, request.offered
        file = None
        if not _is_bound(wanted, sock):
            file = self._bind_as_worker(asker, wanted, sock)
        if not wanted.is_name_of(sock):
            raise os_error(errno.EINVAL)
        self._sockets[wanted] = shared = _Shared(sock, file, asker.identity)
        _lend(asker, shared)
        self._log_address(asker, sock)

    def _log_address(self, asker: Asker, sock: socket.socket) -> None:
        account = self._account(asker)
        account.logged_count += 1
        if account.logged_count <= LOGGED_ADDRESSES:
            log.info("listening on %s, for %s", describe_address(sock), asker.name)
        elif account.logged_count == LOGGED_ADDRESSES + 1:
            log.warning("%s binds many addresses: further ones are not logged", asker.name)

    def _bind_as_worker(self, asker: Asker, wanted: Wanted, sock: socket.socket) -> File | None:
        account = self._account(asker)
        if asker.identity is not None:
            account.spend()
        try:
            return bind_as(asker.identity, wanted, sock)
        except TimeoutError:
            account.is_stalled = True
            log.warning("%s: a bind was not finished within %g s", asker.name, BIND_SECONDS)
            raise

    def _account(self, asker: Asker) -> Account:
        if asker.pid not in self._accounts:  # those of the dead make room
            found = self._accounts.items()
            self._accounts = {pid: one for pid, one in found if pid in asker.live_pids}
        return self._accounts.setdefault(asker.pid, Account())

    def _check_room(self, asker: Asker) -> None:
        """Refuse to have more sockets than limits.py allows.

        Raises:
            OSError: There are as many.
        """
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = min(SHARED_SOCKETS, int(descriptors * SHARED_DESCRIPTOR_PART))
        found = self._sockets.values()
        same_count = sum(shared.generation == asker.generation for shared in found)
        if len(self._sockets) >= most or same_count >= GENERATION_SOCKETS:
            raise os_error(errno.EMFILE)
        self._check_room_of_worker(asker)

    def _check_room_of_worker(self, asker: Asker) -> None:
        if sum(asker.pid in one.holders for one in self._sockets.values()) >= WORKER_SOCKETS:
            raise os_error(errno.EMFILE)

    def _drop(self, wanteds: Iterable[Wanted], leave_files: bool = False) -> None:
        """Close sockets, and remove their files: with one process for each user, not for each."""
        files = defaultdict(list)
        for wanted in wanteds:
            shared = self._sockets.pop(wanted)
            name = describe_address(shared.sock)
            if shared.file is not None and wanted.path is not None and not leave_files:
                files[shared.identity].append((wanted.path, shared.file))
            close_socket(shared.sock)
            log.debug("closed %s, which no program uses any more", name)
        for identity, found in files.items():
            try:
                remove_as(identity, found)
            except OSError as error:
                log.warning("cannot remove %s: %s", " ".join(path for path, _ in found), error)


def _find_opened(asker: Asker, wanted: Wanted) -> socket.socket | None:
    """Return the socket that --bind has opened at the address."""
    if wanted.type != socket.SOCK_STREAM or wanted.ordinal is not None:
        return None
    return asker.find_listener(wanted.family, wanted.address)


def _lend(asker: Asker, shared: _Shared) -> None:
    shared.holders = {pid for pid in shared.holders if pid in asker.live_pids} | {asker.pid}
    shared.generation = max(shared.generation, asker.generation)


def _is_bound(wanted: Wanted, sock: socket.socket) -> bool:
    """Say whether the program itself has bound it, before it was known that it would listen."""
    return wanted.ordinal is not None and sock.getsockname()[1] != 0
