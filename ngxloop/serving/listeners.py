"""Listening sockets: opened once by the master, before the first fork, and shared by all workers.

Rules. nginx: ngx_open_listening_sockets (core/ngx_connection.c).
1. All are open before the first worker exists, or none stays open and serving does not begin.
2. An address in use is tried again, all of them BIND_ATTEMPTS times: the predecessor may be
   on its way out.
3. listen() is called here and never in a worker: asyncio's create_server(sock=...) would listen
   again with a backlog of 100 and shrink the queue for everyone (measured: 2048 to 100).
4. A Unix socket file belongs to the process that made it; only that one removes it.
"""

import contextlib
import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ngxloop.serving.binds import Bind, FdBind, TcpBind, UnixBind
from ngxloop.serving.config import BIND_ATTEMPTS, BIND_RETRY_SECONDS
from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.logs import log

_SOMAXCONN = Path("/proc/sys/net/core/somaxconn")


class ListeningSocket(socket.socket):
    """A listening socket whose queue was set up by the master; listen() leaves it alone."""

    def listen(self, backlog: int = 0, /) -> None:
        """Do nothing, see rule 3."""

    def open_queue(self, backlog: int) -> None:
        """Begin to listen."""
        super().listen(backlog)


class Listeners:
    """The open listening sockets of a master."""

    def __init__(self) -> None:
        self.sockets: list[ListeningSocket] = []
        self._files: dict[str, tuple[int, int]] = {}  # path -> device and inode that we made
        self._owner_pid = os.getpid()

    def open(self, bind: Bind, backlog: int, mode: int) -> None:
        """Open the sockets that one address stands for."""
        self.sockets += _open(bind, backlog, mode)
        if isinstance(bind, UnixBind) and not bind.is_abstract:
            self._files[bind.path] = _identity(bind.path)

    def close(self) -> None:
        """Close all, and remove the Unix socket files that are still ours."""
        for sock in self.sockets:
            sock.close()
        self.sockets.clear()
        if os.getpid() == self._owner_pid:
            self._remove_files()

    def describe(self) -> list[str]:
        """Return each address as people write it, with the real port."""
        return [describe_address(sock) for sock in self.sockets]

    def _remove_files(self) -> None:
        for path, identity in self._files.items():
            with contextlib.suppress(FileNotFoundError):
                if _identity(path) == identity:
                    os.unlink(path)
        self._files.clear()


def open_listeners(
    binds: Sequence[Bind], backlog: int, mode: int, pause: Callable[[float], bool]
) -> Listeners:
    """Open a listening socket for every address.

    Args:
        binds: The addresses, each once.
        backlog: The wanted length of the accept queue; clipped to net.core.somaxconn.
        mode: Permissions of Unix socket files.
        pause: Waits some seconds between attempts; True from it means: give up now.

    Raises:
        StartError: One of them cannot be opened; none is open then.
    """
    listeners = Listeners()
    remaining = list(binds)
    try:
        for attempt in range(1, BIND_ATTEMPTS + 1):
            remaining = [bind for bind in remaining if not _try(listeners, bind, backlog, mode)]
            if not remaining:
                return listeners
            log.warning("%s in use, attempt %d of %d", remaining[0], attempt, BIND_ATTEMPTS)
            if attempt < BIND_ATTEMPTS and pause(BIND_RETRY_SECONDS):
                raise StartError(ExitCode.OK, f"stopped while waiting for {remaining[0]}")
        raise StartError(
            ExitCode.ADDRESS_IN_USE,
            f"address {remaining[0]} is in use; stop the process that listens there, "
            "or bind another address",
        )
    except BaseException:
        listeners.close()
        raise


def queue_limit(backlog: int) -> int:
    """Return the backlog that the kernel will really use; say so if it is less than asked for."""
    try:
        limit = int(_SOMAXCONN.read_text())
    except OSError:  # hidden in some sandboxes; the kernel clips by itself
        return backlog
    if backlog > limit:
        log.warning("backlog %d clipped to %d (net.core.somaxconn)", backlog, limit)
    return min(backlog, limit)


def describe_address(sock: socket.socket) -> str:
    """Return the address of a listening socket as a --bind value that would name it."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:@{os.fsdecode(name[1:])}" if isinstance(name, bytes) else f"unix:{name}"
    return str(TcpBind(name[0], name[1]))


def _try(listeners: Listeners, bind: Bind, backlog: int, mode: int) -> bool:
    """Open one address; False if it is in use."""
    try:
        listeners.open(bind, backlog, mode)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return False
        raise _bind_error(bind, error) from error
    return True


def _open(bind: Bind, backlog: int, mode: int) -> list[ListeningSocket]:
    match bind:
        case TcpBind():
            return _open_tcp(bind, backlog)
        case UnixBind():
            return [_open_unix(bind, backlog, mode)]
        case FdBind():
            return [_open_fd(bind, backlog)]


def _bind_error(bind: Bind, error: OSError) -> StartError:
    reason = error.strerror or str(error)
    if isinstance(error, PermissionError):
        advice = "use a port from 1024 up, another folder, or a user who may"
        return StartError(ExitCode.NO_PERMISSION, f"no permission to bind {bind}; {advice}")
    return StartError(ExitCode.BAD_ADDRESS, f"cannot bind {bind}: {reason}; check the address")


# TCP -----------------------------------------------------------------------------------------


def _open_tcp(bind: TcpBind, backlog: int) -> list[ListeningSocket]:
    """Open every address that the host stands for; one that this machine lacks may be left out."""
    opened: list[ListeningSocket] = []
    missing: OSError | None = None
    try:
        for family, address in _resolve(bind):
            try:
                opened.append(_listen_tcp(family, address, backlog))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
    except BaseException:
        for sock in opened:
            sock.close()
        raise
    if missing is not None and not opened:
        raise missing
    return opened


def _resolve(bind: TcpBind) -> Iterator[tuple[int, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(
            bind.host or "0.0.0.0", bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except UnicodeError:  # of the idna codec, which a name with an empty or a long label meets
        raise OSError(errno.EINVAL, f"{bind.host!r} is no host name") from None
    for family, _, _, _, address in dict.fromkeys(found):
        yield family, address  # type: ignore[misc]  # AF_INET and AF_INET6 only: no bytes in it


def _listen_tcp(family: int, address: tuple[str, int], backlog: int) -> ListeningSocket:
    sock = ListeningSocket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # so that [::]:80 and 0.0.0.0:80 can both be bound
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.open_queue(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


# Unix sockets --------------------------------------------------------------------------------


def _open_unix(bind: UnixBind, backlog: int, mode: int) -> ListeningSocket:
    _remove_stale_file(bind)
    sock = ListeningSocket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        # The mask and not chmod(): there is no moment in which the wrong people may connect.
        old_mask = os.umask(0o777 & ~mode)
        try:
            sock.bind(bind.address)
        finally:
            os.umask(old_mask)
        sock.open_queue(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale_file(bind: UnixBind) -> None:
    """Remove the socket file of a dead process; leave a living one's, and what is no socket."""
    if bind.is_abstract or not os.path.lexists(bind.path):
        return
    if not stat.S_ISSOCK(os.lstat(bind.path).st_mode):
        raise StartError(
            ExitCode.BAD_ADDRESS,
            f"cannot bind {bind}: a file that is not a socket is in the way; "
            "remove it or choose another path",
        )
    if _answers(bind.path):
        raise OSError(errno.EADDRINUSE, "address in use")
    os.unlink(bind.path)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:  # somebody listens, the queue is full
            return True
    return True


def _identity(path: str) -> tuple[int, int]:
    found = os.lstat(path)
    return found.st_dev, found.st_ino


# Inherited descriptors -----------------------------------------------------------------------


def _open_fd(bind: FdBind, backlog: int) -> ListeningSocket:
    """Take over a socket that was opened for us; begin to listen if nobody has."""
    sock = ListeningSocket(fileno=bind.fd)
    try:
        if sock.type != socket.SOCK_STREAM:
            raise OSError(errno.ESOCKTNOSUPPORT, "it is not a stream socket")
        sock.setblocking(False)
        sock.set_inheritable(False)
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.open_queue(backlog)
    except BaseException:
        sock.close()
        raise
    return sock
