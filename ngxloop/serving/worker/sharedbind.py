"""The worker's side of shared sockets: what the program binds, the keeper binds once for all.

How it works. socket.socket.bind() asks the keeper (sharedsockets.py) over the line of this worker
and waits for its answer; the socket object then is the shared socket, under the descriptor that it
had. An address of --bind is not asked for: its socket has been in this process since the fork. So
everything that binds by way of Python shares: create_server() of any event loop, servers that bind
sockets of their own, and programs that never heard of this. Nothing in any package is changed, only
three methods of the standard library's socket, in this process. Other ways know less: a loop does
not see what is bound for it by `sock=`, and an argument of create_server() cannot be shared by
servers that have a bind() of their own.

Rules.
1. Shared are stream sockets, TCP and Unix, and datagram sockets with a port if that was configured.
2. bind() with port 0 could be a client's. The socket is bound here, and shared when it begins to
   listen or its name is asked for before it connects; at once in create_server().
   Loops that are not made of Python, uvloop's for one, listen unseen: for them bind() does it.
3. listen() asks for no shorter queue than --backlog.
4. A fork of this process is another process: its sockets are its own.
5. After the death of a keeper the master gives us a line to another one (keeperclient.py), which
   gets what we have.
"""

import asyncio
import contextvars
import errno
import itertools
import os
import socket
import weakref
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from ngxloop.serving.process.message import Message, MessageKind
from ngxloop.serving.process.poller import do_nothing
from ngxloop.serving.sockets.bindrequest import Address, BindRequest, can_share
from ngxloop.serving.sockets.listeners import ListeningSocket, describe_address, find_bound
from ngxloop.serving.worker.assignment import Assignment
from ngxloop.serving.worker.keeperclient import KeeperClient

_INODE_LIMIT = 1024  # passive FTP requests a socket for each transfer
_TCP_CLOSE = 7  # the state of a socket that neither listens nor connects: linux/tcp_states.h

# Set while create_server() runs: what is bound then will listen.
is_making_server: contextvars.ContextVar[bool] = contextvars.ContextVar(
    "is_making_server", default=False
)

_bind = socket.socket.bind
_listen = socket.socket.listen
_getsockname = socket.socket.getsockname


class SharedBindClient:
    """Asks the keeper for the sockets that the program of this process binds."""

    def __init__(self, assignment: Assignment) -> None:
        self._channel = assignment.channel
        self.keeper: KeeperClient = KeeperClient(assignment.channel, assignment.line)
        self._assigned = assignment.sockets  # opened by --bind
        self._opened: list[ListeningSocket] = []  # those that a program may bind
        self._offered: set[BindRequest] = set()  # of those
        self._backlog = assignment.config.backlog
        self._shares_datagrams = assignment.config.share_datagrams
        self._pid = os.getpid()
        self._ordinals: dict[BindRequest, Iterator[int]] = defaultdict(itertools.count)
        self.shared_inodes: set[int] = set()  # of the sockets that were shared first
        self.heard_inodes: set[int] = set()  # of those on which listen() was called here
        self._held: weakref.WeakKeyDictionary[socket.socket, BindRequest] = (
            weakref.WeakKeyDictionary()
        )
        self._undecided: weakref.WeakKeyDictionary[socket.socket, BindRequest] = (
            weakref.WeakKeyDictionary()
        )
        # Descriptor and inode of each: a program may close a socket by its descriptor, or take it
        # out of its object.
        self._held_fds: dict[BindRequest, tuple[int, int]] = {}
        self.is_draining: bool = False  # what the program closes from now on the others still need
        self.on_listen: Callable[[], object] = do_nothing

    def offer_opened(self) -> None:
        """Let the program bind the addresses of --bind; an application accepts at them itself."""
        self._opened = list(self._assigned)

    def install(self) -> None:
        """Let every socket.bind() of this process ask us."""
        self.offer_opened()
        client = self

        def bind(sock: socket.socket, address: Any, /) -> None:
            client.bind(sock, address)

        def listen(sock: socket.socket, backlog: int | None = None, /) -> None:
            client.listen(sock, backlog)

        def getsockname(sock: socket.socket, /) -> Any:
            client.decide(sock)
            return _getsockname(sock)

        for function in (bind, listen, getsockname):
            setattr(socket.socket, function.__name__, function)

    def uninstall(self) -> None:
        """Give the methods of socket.socket back."""
        for name in ("bind", "listen", "getsockname"):
            if name in vars(socket.socket):
                delattr(socket.socket, name)

    def drain(self) -> None:
        """Release nothing more, and close the sockets of --bind that the program has not bound."""
        self.is_draining = True
        for sock in self._opened:
            sock.close()
        self._opened.clear()

    def hang_up(self) -> None:
        """Ask for nothing more: this is no program."""
        self.keeper.close()

    def renew(self, message: Message) -> None:
        """Have a line to another keeper, and let it keep what we have."""
        self.keeper.renew(message)
        for request, (fd, inode) in list(self._held_fds.items()):
            if request not in self._offered and _is_open(fd, inode):
                self.keeper.keep(request, fd)

    def bind(self, sock: socket.socket, address: Any) -> None:
        """Bind a socket, with the keeper's help if it is to be shared.

        Raises:
            OSError: As bind(2) would, if it failed in the keeper; or it did not answer.
        """
        request = self._make_request(sock, address)
        if request is None:
            _bind(sock, address)
        elif request.ordinal is None:
            self._share(sock, request)
        elif is_making_server.get() or _is_foreign_loop_running():
            self._share(sock, self._numbered(request))
        else:
            _bind(sock, address)
            self._undecided[sock] = request

    def listen(self, sock: socket.socket, backlog: int | None) -> None:
        """Begin to listen."""
        if self._may_share(sock):
            self._share_now(sock)
            _listen(sock, max(backlog or 0, self._backlog))
            if len(self.heard_inodes) < _INODE_LIMIT:
                self.heard_inodes.add(os.fstat(sock.fileno()).st_ino)
            self.on_listen()
        elif backlog is None:
            _listen(sock)
        else:
            _listen(sock, backlog)

    def decide(self, sock: socket.socket) -> None:
        """Share a socket that was bound to port 0, if it seems to be a server's."""
        if sock in self._undecided and _is_idle(sock):
            self._share_now(sock)

    def released(self, sock: socket.socket) -> None:
        """The program closes a listening socket."""
        request = self._held.pop(sock, None)
        if request is not None:
            self._release(request)

    # Private -----------------------------------------------------------------------------------

    def _release(self, request: BindRequest) -> None:
        self._held_fds.pop(request, None)
        if request in self._offered:
            self._offered.discard(request)
        elif not self.is_draining and os.getpid() == self._pid:
            self.keeper.release(request)

    def _release_closed(self) -> None:
        """Release the sockets for port 0 that the program has closed by itself.

        Passive FTP has one for each transfer; closing one is not noticed at once.
        """
        for request, (fd, inode) in list(self._held_fds.items()):
            if request.ordinal is not None and not _is_open(fd, inode):
                self._release(request)

    def _may_share(self, sock: socket.socket) -> bool:
        if os.getpid() != self._pid:
            return False
        if sock.type == socket.SOCK_DGRAM and not self._shares_datagrams:
            return False
        return can_share(sock)

    def _make_request(self, sock: socket.socket, address: Any) -> BindRequest | None:
        """Return what to ask for, None to bind as usual; an address that is none fails there."""
        if not self._may_share(sock):
            return None
        plain = _plain_address(sock.family, address)
        if plain is None:
            return None
        is_port_free = isinstance(plain, tuple) and plain[1] == 0
        if is_port_free and sock.type == socket.SOCK_DGRAM:
            return None
        request = BindRequest(int(sock.family), int(sock.type), plain, 0 if is_port_free else None)
        try:
            request.check()
        except ValueError:  # a path that is too long, a port out of range
            return None
        return request

    def _numbered(self, request: BindRequest) -> BindRequest:
        """Return the request for port 0 with its number among the equal ones."""
        self._release_closed()
        ordinal = next(self._ordinals[request])
        return BindRequest(request.family, request.type, request.address, ordinal)

    def _share_now(self, sock: socket.socket) -> None:
        request = self._undecided.pop(sock, None)
        if request is not None:
            self._share(sock, self._numbered(request))

    def _share(self, sock: socket.socket, request: BindRequest) -> None:
        """Make the socket the shared one."""
        for other, its in list(self._held.items()):
            if its == request:
                if other.fileno() >= 0 and not _may_bind_again(sock):
                    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
                self.released(other)
        opened = self._find_opened(request)
        if opened is not None:
            os.dup2(opened.fileno(), sock.fileno(), inheritable=False)
            self._offered.add(request)
            self._channel.send(MessageKind.BOUND, describe_address(opened).encode())
        else:
            fd = self.keeper.ask(sock, request)
            if fd is not None:
                os.dup2(fd, sock.fileno(), inheritable=False)
                os.close(fd)
        inode = os.fstat(sock.fileno()).st_ino
        if len(self.shared_inodes) < _INODE_LIMIT:
            self.shared_inodes.add(inode)
        self._held[sock] = request
        self._held_fds[request] = (sock.fileno(), inode)
        if sock.type == socket.SOCK_DGRAM:
            self.on_listen()
        elif _is_foreign_loop_running():
            self.listen(sock, None)

    def _find_opened(self, request: BindRequest) -> ListeningSocket | None:
        """Return the socket that --bind has opened at an address."""
        if request.type != socket.SOCK_STREAM or request.ordinal is not None:
            return None
        return find_bound(self._opened, request.family, request.address)


def make_unix_socket(path: Any) -> socket.socket:
    """Return a socket bound to a path; a dead socket's file there is replaced.

    Raises:
        OSError: EADDRINUSE with asyncio's text if something lives there, or what bind() raises.
    """
    path = os.fspath(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise OSError(error.errno, f"Address {path!r} is already in use") from None
        raise
    return sock


def _plain_address(family: int, address: Any) -> Address | None:
    """Return the address without names; None if it is none, or one that nobody can share."""
    try:
        if family == socket.AF_UNIX:
            return _plain_path(os.fsdecode(address))
        host, port, *rest = address
        flags = 0 if host else socket.AI_PASSIVE
        if not 0 <= int(port) < 2**16:  # of which getaddrinfo() takes the lower half
            return None
        found = socket.getaddrinfo(host or None, int(port), family, socket.SOCK_STREAM, 0, flags)
    except (TypeError, ValueError, OSError):  # the true bind() says what is wrong
        return None
    plain = found[0][4]
    if rest and family == socket.AF_INET6:  # the scope may stand in the tuple or in the host
        plain = (*plain[:2], rest[0], *(rest[1:2] or plain[3:]))
    return plain


def _plain_path(path: str) -> str | None:
    if path == "":  # the kernel makes up a name
        return None
    return path if path.startswith("\0") else os.path.abspath(path)


def _may_bind_again(sock: socket.socket) -> bool:
    """Say whether the program asked for several sockets with one address."""
    return (
        sock.family != socket.AF_UNIX
        and sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) != 0
    )


def _is_foreign_loop_running() -> bool:
    loop = asyncio._get_running_loop()
    return loop is not None and not isinstance(loop, asyncio.BaseEventLoop)


def _is_open(fd: int, inode: int) -> bool:
    """Say whether a descriptor still is the same socket."""
    try:
        return os.fstat(fd).st_ino == inode
    except OSError:
        return False


def _is_idle(sock: socket.socket) -> bool:
    """Say whether a TCP socket is neither connected nor about to be."""
    try:
        return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _TCP_CLOSE
    except OSError:  # closed
        return False
