"""What a master leaves to its successor, the new program that USR2 starts: its sockets, by name.

The descriptors are inherited under the numbers that they have; a variable in the environment says
what each of them is. nginx does the same with the variable NGINX (ngx_exec_new_binary). It is taken
out of the environment at once, and counts only for who has inherited the pipe that it names: an
application that starts another ngxloop-serve hands nothing on. (Not only for the child of who set
it: the old master may end before the new one has come so far.)
"""

import contextlib
import dataclasses
import json
import os
import socket
import stat
from collections.abc import Mapping, MutableMapping, Sequence

from ngxloop.serving.sockets.listeners import Listeners, ListeningSocket, Opened
from ngxloop.serving.sockets.socketfiles import file_identity

VARIABLE = "_NGXLOOP_INHERITED"
# What is inherited. 1: sockets of programs themselves. 2: a line to the keeper that has them, see
# keeper.py; compatibility.py translates for a release that knows 1 only.
FORMAT = 2
# What a socket is for.
BIND = "bind"
SHARED = "shared"  # of a program, from a master of format 1
KEEPER = "keeper"  # a line: the keeper at its other end sends the sockets of programs
STATUS = "status"
PASSWORDS = "passwords"  # no socket either, see keypasswords.py
LEADER = "leader"  # no socket but the file with the lock, see leader.py
# What a successor says through its pipe, a byte each.
SERVES = b"1"
ENDS = b"0"  # a program of an older release ends without it


@dataclasses.dataclass(frozen=True)
class InheritedFd:
    """One socket, or file."""

    kind: str
    key: str  # what it was opened for; its meaning depends on the kind
    fd: int


@dataclasses.dataclass(frozen=True)
class WorkerCount:
    """How many workers a master has, and the value of --workers, which scaling does not change."""

    configured: int | str
    count: int


def pack(
    inherited: Sequence[InheritedFd],
    ready_fd: int,
    *,
    is_strict: bool = False,
    workers: WorkerCount | None = None,
) -> str:
    """Return the value of the variable.

    Args:
        inherited: What the successor gets.
        ready_fd: The pipe on which it says that it serves.
        is_strict: We are root and our workers are not: the successor has to be as careful.
        workers: How many we have.
    """
    sockets = [dataclasses.astuple(one) for one in inherited]
    inode = os.fstat(ready_fd).st_ino
    fields = {"pid": os.getpid(), "ready_fd": ready_fd, "ready_inode": inode, "sockets": sockets}
    if workers is not None:
        fields["workers"] = dataclasses.astuple(workers)
    return json.dumps({**fields, "is_strict": is_strict, "format": FORMAT})


def is_upgrade(environment: Mapping[str, str]) -> bool:
    """Say whether another master has started us: we hold the pipe to it."""
    value = environment.get(VARIABLE)
    if value is None:
        return False
    fields = json.loads(value)
    try:
        found = os.fstat(fields["ready_fd"])
    except OSError:  # closed, so the variable was meant for somebody before us
        return False
    return stat.S_ISFIFO(found.st_mode) and bool(found.st_ino == fields["ready_inode"])


def is_strict_upgrade(environment: Mapping[str, str]) -> bool:
    """Say whether a master has started us that is root, and the workers of which are not."""
    is_ours = is_upgrade(environment)
    return is_ours and bool(json.loads(environment[VARIABLE]).get("is_strict", False))


def is_inherited(environment: Mapping[str, str], key: str) -> bool:
    """Say whether another master has started us and leaves us what it has opened for a key."""
    if not is_upgrade(environment):
        return False
    return any(InheritedFd(*one).key == key for one in json.loads(environment[VARIABLE])["sockets"])


def find_descriptor(environment: Mapping[str, str], kind: str) -> int | None:
    """Return the descriptor of a kind that another master leaves us, if there is one."""
    if not is_upgrade(environment):
        return None
    found = (InheritedFd(*one) for one in json.loads(environment[VARIABLE])["sockets"])
    return next((one.fd for one in found if one.kind == kind), None)


class OldMaster:
    """The master that has started us; it goes on until somebody ends it."""

    def __init__(
        self,
        pid: int,
        ready_fd: int,
        inherited: Sequence[InheritedFd],
        workers: WorkerCount | None = None,
    ) -> None:
        self.pid = pid
        self.workers: WorkerCount | None = workers  # None: an older release does not say
        self._ready_fd = ready_fd
        self._inherited = inherited
        for fd in (ready_fd, *(one.fd for one in inherited)):
            os.set_inheritable(fd, False)

    @property
    def is_alive(self) -> bool:
        """Say whether it still runs: we are its child."""
        return os.getppid() == self.pid

    def listeners(self, kind: str = BIND) -> Listeners:
        """Return the sockets of --bind, or others that were opened like them."""
        return Listeners([_opened(one) for one in self._inherited if one.kind == kind])

    def sockets(self, kind: str) -> list[tuple[str, socket.socket]]:
        """Return the sockets of another kind, with their keys."""
        found = [one for one in self._inherited if one.kind == kind]
        return [(one.key, socket.socket(fileno=one.fd)) for one in found]

    def descriptor(self, kind: str) -> int | None:
        """Return the only descriptor of a kind, None if there is none: an older program left us."""
        return next((one.fd for one in self._inherited if one.kind == kind), None)

    def descriptors(self, kind: str) -> list[int]:
        """Return the descriptors of a kind."""
        return [one.fd for one in self._inherited if one.kind == kind]

    def tell_ready(self) -> None:
        """Let it know that we serve."""
        self._tell(SERVES)

    def tell_ending(self) -> None:
        """Let it know that we do not serve any longer."""
        self._tell(ENDS)
        self.forget()

    def _tell(self, what: bytes) -> None:
        if self._ready_fd >= 0:
            with contextlib.suppress(OSError):  # it is gone, or of a release that does not listen
                os.write(self._ready_fd, what)

    def forget(self) -> None:
        """Close the line to it."""
        if self._ready_fd >= 0:
            os.close(self._ready_fd)
            self._ready_fd = -1


def take_inherited(environment: MutableMapping[str, str]) -> OldMaster | None:
    """Return who has left us something, if somebody has."""
    is_ours = is_upgrade(environment)
    value = environment.pop(VARIABLE, None)
    if value is None or not is_ours:
        return None
    fields = json.loads(value)
    inherited = [InheritedFd(*one) for one in fields["sockets"]]
    for one in inherited:
        if one.kind == PASSWORDS:  # already read, see find_descriptor()
            os.close(one.fd)
    others = [one for one in inherited if one.kind != PASSWORDS]
    workers = WorkerCount(*fields["workers"]) if "workers" in fields else None
    return OldMaster(fields["pid"], fields["ready_fd"], others, workers)


def _opened(inherited: InheritedFd) -> Opened:
    sock = ListeningSocket(fileno=inherited.fd)
    file = None
    if sock.family == socket.AF_UNIX and inherited.key.startswith("unix:"):
        path = sock.getsockname()
        with contextlib.suppress(FileNotFoundError, ValueError):  # removed; or abstract
            file = file_identity(path)
    return Opened(inherited.key, sock, file)
