"""Opening the listening sockets: by the master, for all addresses or none, before the first fork.

Rules. nginx: ngx_open_listening_sockets (core/ngx_connection.c).
1. All are open before the first worker exists, or none stays open and serving does not begin.
2. An address in use is tried again, all of them BIND_ATTEMPTS times: the old master may be
   on its way out. Not at a reload, whose workers go on.
3. [::] accepts IPv6 only if another process has the port for IPv4 at the last attempt.
"""

import dataclasses
import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator, Sequence

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.logs.logs import log
from ngxloop.serving.options.binds import (
    ANY_IPV4,
    ANY_IPV6,
    Bind,
    FdBind,
    SystemdBind,
    TcpBind,
    UnixBind,
)
from ngxloop.serving.process.systemd import passed_fds
from ngxloop.serving.sockets.listeners import Listeners, ListeningSocket, Opened, can_accept
from ngxloop.serving.sockets.portholders import name_holders
from ngxloop.serving.sockets.socketfiles import (
    file_identity,
    give_socket_file,
    remove_file,
    unlink_dead_socket,
)

# nginx: ngx_open_listening_sockets tries five times, 500 ms apart.
BIND_ATTEMPTS = 5
BIND_RETRY_SECONDS = 0.5
_WILDCARDS = {ANY_IPV4, ANY_IPV6}


def open_listeners(
    binds: Sequence[Bind],
    backlog: int,
    mode: int,
    pause: Callable[[float], bool] | None = None,
    known: Listeners | None = None,
) -> Listeners:
    """Open a listening socket for every address.

    Args:
        binds: The addresses, each once.
        backlog: The wanted length of the accept queue; clipped to net.core.somaxconn.
        mode: Permissions of Unix socket files.
        pause: Waits some seconds between attempts; True from it means: give up now. Without it
            there is one attempt only.
        known: Sockets that are open already; those with the same address are taken over.

    Raises:
        StartError: One of them cannot be opened; none is open then but those that were known.
    """
    known = known or Listeners()
    listeners = Listeners()
    attempt_count = BIND_ATTEMPTS if pause else 1
    binds = _without_dead_names(binds, known)
    try:
        for attempt in range(1, attempt_count + 1):
            terms = _Terms(backlog, mode, known, is_last=attempt == attempt_count)
            remaining = _open_what_is_free(listeners, binds, terms)
            if not remaining:
                return _sorted(listeners, binds)
            if attempt < attempt_count:
                _tell_retry(remaining[0], attempt)
                if pause is not None and pause(BIND_RETRY_SECONDS):
                    raise StartError(ExitCode.OK, f"stopped while waiting for {remaining[0]}")
        raise StartError(ExitCode.ADDRESS_IN_USE, in_use(remaining[0]))
    except BaseException:
        listeners.close(keep=known)
        raise


def in_use(bind: Bind) -> str:
    """Return the line about an address that is in use: by whom, if that can be found out."""
    holders = ""
    if isinstance(bind, UnixBind):
        holders = name_holders(
            socket.AF_UNIX, f"@{bind.path[1:]}" if bind.is_abstract else bind.path
        )
    elif isinstance(bind, TcpBind):
        holders = next((name_holders(*one) for one in _resolve(bind)), "")
    whose = f" by {holders}" if holders else ""
    advice = "stop the process that listens there, or bind another address"
    return f"address {bind} is in use{whose}; {advice}"


def check_descriptors(binds: Sequence[Bind], known: Listeners | None = None) -> None:
    """Refuse an fd://N that is no socket; before we open descriptors that could have its number.

    Raises:
        StartError: There is none.
    """
    for bind in binds:
        if isinstance(bind, FdBind) and not (known and known.find(str(bind))):
            try:
                is_socket = stat.S_ISSOCK(os.fstat(bind.fd).st_mode)
            except OSError as error:
                raise _bind_error(bind, error) from error
            if not is_socket:
                raise _bind_error(bind, OSError(errno.ENOTSOCK, "it is not a socket"))


def listen_tcp(
    family: int, address: tuple[str, int], backlog: int, reuse_port: bool = False
) -> ListeningSocket:
    """Return a listening socket, bound to a numerical address."""
    sock = ListeningSocket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:  # so that [::]:80 and 0.0.0.0:80 can both be bound
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.open_queue(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _without_dead_names(binds: Sequence[Bind], known: Listeners) -> Sequence[Bind]:
    """Leave abstract Unix sockets out that a worker has shut down, unless nothing else is left.

    Nobody can listen on such a socket again, and the kernel keeps its name while any process has it
    open: the workers of now, and we ourselves until the next generation serves without it.
    """
    dead = [bind for bind in binds if isinstance(bind, UnixBind) and _is_dead_name(bind, known)]
    if not dead or len(dead) == len(binds):
        return binds
    for bind in dead:
        advice = "reload again when the workers that have it have ended"
        log.error("%s was shut down, and its name is not free yet: left out; %s", bind, advice)
    return [bind for bind in binds if bind not in dead]


def _is_dead_name(bind: UnixBind, known: Listeners) -> bool:
    return bind.is_abstract and not all(can_accept(one.sock) for one in known.find(str(bind)))


@dataclasses.dataclass(frozen=True)
class _Terms:
    """What is the same for all addresses of one attempt; see open_listeners()."""

    backlog: int
    mode: int
    known: Listeners
    is_last: bool  # no other attempt follows


def _open_what_is_free(listeners: Listeners, binds: Sequence[Bind], terms: _Terms) -> list[Bind]:
    """Open every address that is not open yet; return those that are in use."""
    return [
        bind for bind in binds if not listeners.find(str(bind)) and not _try(listeners, bind, terms)
    ]


def _tell_retry(bind: Bind, attempt: int) -> None:
    seconds = (BIND_ATTEMPTS - 1) * BIND_RETRY_SECONDS
    if attempt == 1:
        log.warning("%s is in use; trying again for %g s", bind, seconds)
    else:
        log.debug("%s in use, attempt %d of %d", bind, attempt, BIND_ATTEMPTS)


def _sorted(listeners: Listeners, binds: Sequence[Bind]) -> Listeners:
    """Put them into the order in which they were asked for: some came at a later attempt."""
    order = [str(bind) for bind in binds]
    listeners.opened.sort(key=lambda opened: order.index(opened.key))
    return listeners


def _try(listeners: Listeners, bind: Bind, terms: _Terms) -> bool:
    """Open one address; False if it is in use."""
    try:
        opened = _take_over(bind, terms.known) or _open(bind, terms)
        if any(new.sock in listeners.sockets for new in opened):  # known by both names
            raise OSError(errno.EADDRINUSE, "address in use")
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            _refuse_own_clash(bind, listeners)
            return False
        raise _bind_error(bind, error) from error
    for new in opened:
        if new.sock in terms.known.sockets and not isinstance(bind, FdBind | SystemdBind):
            new.sock.open_queue(terms.backlog)  # the wanted length may be another one now
    listeners.opened += opened
    return True


def _take_over(bind: Bind, known: Listeners) -> list[Opened]:
    """Return what is open already for an address.

    Not a Unix socket that a worker has shut down: it cannot listen again, as a TCP socket can. Its
    file makes room for another one; the socket itself is closed with the generation that has it.
    """
    found = known.find(str(bind))
    if isinstance(bind, TcpBind) and bind.host == ANY_IPV6:
        has_ipv4 = any(one.sock.family == socket.AF_INET for one in found)
        return found if has_ipv4 == bind.has_ipv4 else []  # else they are found by their addresses
    if not isinstance(bind, UnixBind) or all(can_accept(one.sock) for one in found):
        return found
    for one in found:
        if one.file is not None:
            remove_file(bind.path, one.file)
    return []


def _open(bind: Bind, terms: _Terms) -> list[Opened]:
    match bind:
        case TcpBind():
            return [Opened(str(bind), sock) for sock in _open_tcp(bind, terms)]
        case UnixBind():
            return [_open_unix(bind, terms.backlog, terms.mode)]
        case FdBind():
            return [Opened(str(bind), _open_fd(bind.fd, terms.backlog))]
        case SystemdBind():
            fds = passed_fds(os.environ, bind.name)
            return [Opened(str(bind), _open_fd(fd, terms.backlog)) for fd in fds]


def _refuse_own_clash(bind: Bind, listeners: Listeners) -> None:
    """Raise if it is one of our own sockets that is in the way: to wait is no use then."""
    for opened in listeners.opened:
        if _clashes(bind, opened):
            raise StartError(
                ExitCode.ADDRESS_IN_USE,
                f"{bind} and {opened.key} are the same address; give one of them",
            )


def _clashes(bind: Bind, opened: Opened) -> bool:
    if isinstance(bind, UnixBind):
        return opened.file is not None and opened.file == file_identity(bind.path)
    if not isinstance(bind, TcpBind) or opened.sock.family == socket.AF_UNIX:
        return False
    host, port = opened.sock.getsockname()[:2]
    return any(
        family == opened.sock.family
        and address[1] == port
        and (address[0] == host or {address[0], host} & _WILDCARDS)
        for family, address in _resolve(bind)
    )


def _bind_error(bind: Bind, error: OSError) -> StartError:
    reason = error.strerror or str(error)
    if isinstance(error, PermissionError):
        advice = "use a port from 1024 up, another folder, or a user who may"
        return StartError(ExitCode.NO_PERMISSION, f"no permission to bind {bind}; {advice}")
    return StartError(ExitCode.BAD_ADDRESS, f"cannot bind {bind}: {reason}; {_advice(bind, error)}")


def _advice(bind: Bind, error: OSError) -> str:
    if isinstance(bind, FdBind):
        return "pass a listening socket, as systemd does with LISTEN_FDS"
    if isinstance(bind, SystemdBind):
        return "start it with a socket unit, and check its FileDescriptorName="
    if isinstance(bind, UnixBind):
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return "create the folder"
        return "choose a shorter path" if error.errno is None else "choose another path"
    return "check the address"


# TCP -----------------------------------------------------------------------------------------


def _open_tcp(bind: TcpBind, terms: _Terms) -> list[ListeningSocket]:
    """Open every address that the host stands for; one that this machine lacks may be left out."""
    opened: list[ListeningSocket] = []
    missing: OSError | None = None
    try:
        for family, address in _resolve(bind):
            try:
                ours = terms.known.find_address(family, address)
                opened.append(ours or listen_tcp(family, address, terms.backlog))
            except OSError as error:
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise
                missing = error
        if bind.has_ipv4 and opened:
            opened += _open_ipv4_too(bind, opened[0], terms)
    except BaseException:
        for sock in opened:
            if sock not in terms.known.sockets:
                sock.close()
        raise
    if missing is not None and not opened:
        raise missing
    return opened


def _open_ipv4_too(bind: TcpBind, ipv6: ListeningSocket, terms: _Terms) -> list[ListeningSocket]:
    """Open one for IPv4 beside that of [::], which would show such clients as ::ffff:1.2.3.4.

    One that another process still has at the last attempt is left out: somebody may share a port
    between two servers so.
    """
    address = (ANY_IPV4, ipv6.getsockname()[1])
    ours = terms.known.find_address(socket.AF_INET, address)
    try:
        return [ours or listen_tcp(socket.AF_INET, address, terms.backlog)]
    except OSError as error:
        if error.errno == errno.EADDRINUSE and not terms.is_last:
            raise
        holders = name_holders(socket.AF_INET, address) if error.errno == errno.EADDRINUSE else ""
        reason = f"in use by {holders}" if holders else error.strerror
        log.warning("%s accepts IPv6 only: %s:%d: %s", bind, *address, reason)
        return []


def _resolve(bind: TcpBind) -> Iterator[tuple[int, tuple[str, int]]]:
    try:
        found = socket.getaddrinfo(
            bind.host or ANY_IPV4, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except UnicodeError:  # of the idna codec, which a name with an empty or a long label meets
        raise OSError(errno.EINVAL, f"{bind.host!r} is not a host name") from None
    for family, _, _, _, address in dict.fromkeys(found):
        yield family, address  # type: ignore[misc]  # AF_INET and AF_INET6 only: no bytes in it


# Unix sockets --------------------------------------------------------------------------------


def _open_unix(bind: UnixBind, backlog: int, mode: int) -> Opened:
    _remove_stale_file(bind)
    sock = ListeningSocket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    file: tuple[int, int] | None = None
    try:
        # The mask and not chmod(): there is no moment in which the wrong people may connect.
        old_mask = os.umask(0o777 & ~mode)
        try:
            sock.bind(bind.address)
        finally:
            os.umask(old_mask)
        if not bind.is_abstract:  # connections are refused until the queue is open
            file = file_identity(bind.path)
            give_socket_file(bind.path, bind.uid, bind.gid)
        sock.open_queue(backlog)
    except BaseException:
        if file is not None:
            remove_file(bind.path, file)
        sock.close()
        raise
    return Opened(str(bind), sock, file)


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
    if not unlink_dead_socket(bind.path):
        raise OSError(errno.EADDRINUSE, "address in use")


# Inherited descriptors -----------------------------------------------------------------------


def _open_fd(fd: int, backlog: int) -> ListeningSocket:
    """Take over a socket that was opened for us; begin to listen if nobody has."""
    sock = ListeningSocket(fileno=fd)
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
