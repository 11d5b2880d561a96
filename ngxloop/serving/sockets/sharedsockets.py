"""Shared sockets: programs in the workers bind an address, the keeper binds it once for all.

A worker that runs a program of its own (sharedbind.py) sends each socket that the program binds to
the keeper (keeper.py), with the address. The first one for an address is bound there, so that the
socket keeps the options that the program has set; whoever asks for the same address later gets that
socket. A requester waits for its answer at a socket of its own, which comes with the request: the
line stays a line of messages that nobody answers. (Node's cluster module shares the same way.)

Rules.
1. A socket stays open while workers come and go: over respawns, and over a reload until the last
   worker of an older generation than those that asked for it is gone.
2. It is closed when every worker that had it has closed it: the program has ended its server.
3. Port 0 is one address each time it is asked for: the first request of every worker gets one
   port, the second another one.
4. A Unix socket's file is removed by the keeper that has made it, or has taken it over, if it is
   still the same file. A file that is in the way is replaced if no process has the socket open.
5. The worker of an application may not request sockets; see Requester.may_ask().
6. A request that fails is answered with the errno that bind(2) in the program would have had; an
   invalid request raises BadMessageError. Everything is bounded, see keeperlimits.py.
"""

import contextlib
import dataclasses
import errno
import os
import resource
import socket
from collections.abc import Callable, Iterable, Iterator

from ngxloop.serving.base.badmessage import BadMessageError
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.closing import close_socket
from ngxloop.serving.process.message import Message
from ngxloop.serving.sockets.bindrequest import BindRequest, ReceivedRequest, check_offered
from ngxloop.serving.sockets.keeperlimits import (
    GENERATION_SOCKETS,
    LOGGED_ADDRESSES,
    SHARED_DESCRIPTOR_PART,
    SHARED_SOCKETS,
    WORKER_SOCKETS,
)
from ngxloop.serving.sockets.listeners import describe_address, is_shut_down
from ngxloop.serving.sockets.requester import Requester
from ngxloop.serving.sockets.socketfiles import (
    file_identity,
    is_socket_file,
    remove_dead_socket,
    remove_file,
)

# The first byte of an answer.
BOUND = b"b"  # the socket that was sent is bound now
SHARED = b"s"  # use the one that comes with this
FAILED = b"f"  # the errno follows, as text


@dataclasses.dataclass(eq=False)
class Shared:
    """A socket that programs have asked for."""

    number: int
    sock: socket.socket
    file: tuple[int, int] | None  # device and inode of a Unix socket's file
    generation: int = 0  # the newest that asked
    told: object = None  # what the master knows of it
    has_listened: bool = False
    holders: set[int] = dataclasses.field(default_factory=set)  # lines of the workers that have it


class SharedSockets:
    """Every socket that the programs in the workers have asked for.

    Args:
        kept: Called with each socket that is kept from now on, before its requester is answered.
        dropped: Called with the number of each socket that was closed.
    """

    def __init__(self, kept: Callable[[Shared], object], dropped: Callable[[int], object]) -> None:
        self._sockets: dict[BindRequest, Shared] = {}
        self._number = 0
        self._kept = kept
        self._dropped = dropped

    def __iter__(self) -> Iterator[Shared]:
        """Return the sockets, in the order in which they were asked for."""
        return iter(list(self._sockets.values()))

    def hand_over(self) -> list[tuple[BindRequest, socket.socket]]:
        """Return what the keeper after us needs, which goes on with the same sockets."""
        return [(request, one.sock) for request, one in self._sockets.items()]

    def inherit(self, request: BindRequest, sock: socket.socket) -> None:
        """Take a socket over from the master before us, unless it is another user's."""
        if os.geteuid() not in (0, os.fstat(sock.fileno()).st_uid):
            log.warning("%s is not taken over: another user has bound it", describe_address(sock))
            close_socket(sock)
        else:
            self._add(request, sock, _find_file(request))

    def answer_bind(self, requester: Requester, message: Message) -> None:
        """Bind what the program of a worker wants to bind, or hand out what is bound already.

        Raises:
            BadMessageError: A program does not send such a request.
        """
        received = ReceivedRequest.take(message)
        is_kept = False
        try:
            if not requester.may_ask(received.request):
                raise BadMessageError("a request to bind, which only programs may send")
            shared = self._find_usable(received.request)
            if shared is not None:
                self._lend(requester, shared)
                received.answer(SHARED, [shared.sock.fileno()])
                return
            self._bind(requester, received)
            is_kept = True
            received.answer(BOUND)
        except OSError as error:
            received.answer(FAILED + str(error.errno or errno.EINVAL).encode())
        finally:
            received.close(keep_offered=is_kept)

    def answer_keep(self, requester: Requester, message: Message) -> None:
        """Keep a socket that a worker has: the keeper that has bound it is gone.

        Raises:
            BadMessageError: A program does not send such a message.
        """
        sock = socket.socket(fileno=message.fds[0])
        is_kept = False
        try:
            request = BindRequest.unpack(message.payload)
            if not requester.may_ask(request):
                raise BadMessageError("a socket to keep, which only programs may send")
            check_offered(sock, request)
            with contextlib.suppress(OSError):  # there is no room
                is_kept = self._keep(requester, request, sock)
        finally:
            if not is_kept:
                close_socket(sock)

    def answer_release(self, requester: Requester, message: Message) -> None:
        """The program of a worker has closed a socket; the last one closes it for all.

        Raises:
            BadMessageError: A program does not send such a release.
        """
        request = BindRequest.unpack(message.payload)
        if not requester.may_ask(request):
            raise BadMessageError("a release of a socket, which only programs may send")
        shared = self._sockets.get(request)
        if shared is None or requester.number not in shared.holders:  # dropped, or not its own
            return
        shared.holders.discard(requester.number)
        if not shared.holders:
            self._drop([request])

    def forget(self, requester: Requester) -> None:
        """A worker has ended: what it had stays open for the next one."""
        for shared in self:
            shared.holders.discard(requester.number)

    def drop_older(self, generation: int) -> None:
        """Close what no worker of this generation or a newer one has asked for."""
        found = self._sockets.items()
        self._drop([request for request, shared in found if shared.generation < generation])

    def close(self, leave_files: bool = False) -> None:
        """Close all, and remove the Unix socket files that are still ours."""
        self._drop(list(self._sockets), leave_files)

    # Private -----------------------------------------------------------------------------------

    def _find_usable(self, request: BindRequest) -> Shared | None:
        """Return what is bound already, but for a Unix socket that a worker has shut down for all.

        A TCP socket listens again when the next program calls listen().
        """
        shared = self._sockets.get(request)
        if shared is None or request.family != socket.AF_UNIX or not is_shut_down(shared.sock):
            return shared
        self._drop([request])
        return None

    def _bind(self, requester: Requester, received: ReceivedRequest) -> None:
        """Bind the socket that was sent.

        Raises:
            OSError: The kernel refuses, or a limit is reached.
        """
        self._check_room(requester)
        request, sock = received.request, received.offered
        if not _is_bound(request, sock):
            if request.path is not None:
                remove_dead_socket(request.path)
            sock.bind(request.address)
        if not request.is_name_of(sock):
            raise _os_error(errno.EINVAL)
        self._log_address(requester, sock)
        self._lend(requester, self._add(request, sock, _find_file(request)))

    def _keep(self, requester: Requester, request: BindRequest, sock: socket.socket) -> bool:
        """Say whether this socket is kept from now on; else there is one for its address.

        Raises:
            OSError: It is bound elsewhere, or a limit is reached.
        """
        if not request.is_name_of(sock):
            raise _os_error(errno.EINVAL)
        shared = self._sockets.get(request)
        if shared is not None:
            if _inode(shared.sock) == _inode(sock):
                self._lend(requester, shared)
            return False
        self._check_room(requester)
        self._lend(requester, self._add(request, sock, _find_file(request)))
        return True

    def _add(
        self, request: BindRequest, sock: socket.socket, file: tuple[int, int] | None
    ) -> Shared:
        self._number += 1
        self._sockets[request] = shared = Shared(self._number, sock, file)
        self._kept(shared)
        return shared

    def _lend(self, requester: Requester, shared: Shared) -> None:
        if requester.number not in shared.holders:
            self._check_room_of_worker(requester)
        shared.holders.add(requester.number)
        shared.generation = max(shared.generation, requester.generation)

    def _log_address(self, requester: Requester, sock: socket.socket) -> None:
        requester.logged_count += 1
        if requester.logged_count <= LOGGED_ADDRESSES:
            log.info("listening on %s, for %s", describe_address(sock), requester.name)
        elif requester.logged_count == LOGGED_ADDRESSES + 1:
            log.warning("%s binds many addresses: further ones are not logged", requester.name)

    def _check_room(self, requester: Requester) -> None:
        """Refuse to have more sockets than keeperlimits.py allows.

        Raises:
            OSError: There are as many.
        """
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        most = SHARED_SOCKETS
        if descriptors != resource.RLIM_INFINITY:
            most = min(most, int(descriptors * SHARED_DESCRIPTOR_PART))
        same_count = sum(shared.generation == requester.generation for shared in self)
        if len(self._sockets) >= most or same_count >= GENERATION_SOCKETS:
            raise _os_error(errno.EMFILE)
        self._check_room_of_worker(requester)

    def _check_room_of_worker(self, requester: Requester) -> None:
        if sum(requester.number in shared.holders for shared in self) >= WORKER_SOCKETS:
            raise _os_error(errno.EMFILE)

    def _drop(self, requests: Iterable[BindRequest], leave_files: bool = False) -> None:
        for request in requests:
            shared = self._sockets.pop(request)
            name = describe_address(shared.sock)
            if shared.file is not None and request.path is not None and not leave_files:
                remove_file(request.path, shared.file)
            close_socket(shared.sock)
            log.debug("closed %s, which no program uses any more", name)
            self._dropped(shared.number)


def _is_bound(request: BindRequest, sock: socket.socket) -> bool:
    """Say whether the program itself has bound it, before it was known that it would listen."""
    return request.ordinal is not None and bool(sock.getsockname()[1] != 0)


def _find_file(request: BindRequest) -> tuple[int, int] | None:
    """Return device and inode of a socket's file; None if it has none."""
    if request.path is not None:
        with contextlib.suppress(OSError):
            identity = file_identity(request.path)
            if is_socket_file(request.path):
                return identity
    return None


def _inode(sock: socket.socket) -> int:
    return os.fstat(sock.fileno()).st_ino


def _os_error(number: int) -> OSError:
    """Return the error as the system call would raise it."""
    return OSError(number, os.strerror(number))
