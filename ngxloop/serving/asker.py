"""A worker that requests shared sockets (sharing.py): what it may request, and how much."""

import dataclasses
import errno
import os
import socket
import time
from collections.abc import Callable, Container
from typing import Any

from ngxloop.serving.bindrequest import Wanted
from ngxloop.serving.binds import TcpBind, parse_bind
from ngxloop.serving.config import Config
from ngxloop.serving.limits import WORKER_BINDS, WORKER_BINDS_PER_SECOND
from ngxloop.serving.options.application import PROGRAM_INTERFACES, is_script
from ngxloop.serving.options.listening import DEFAULT_BIND
from ngxloop.serving.options.values import AUTO
from ngxloop.serving.privileges import Identity


@dataclasses.dataclass(frozen=True)
class Asker:
    """A worker that runs a program."""

    name: str
    pid: int
    generation: int
    config: Config  # of its generation
    interface: str  # what it serves, according to its READY; empty until it is ready
    find_listener: Callable[[int, Any], socket.socket | None]  # among those that --bind opened
    live_pids: Container[int]  # of all workers

    @property
    def identity(self) -> Identity | None:
        """The user that it runs as, None for that of the master."""
        return self.config.start_plan.identity

    def may_ask(self, wanted: Wanted) -> bool:
        """Say whether it may request a socket: a program any, an application the default address.

        Before it is ready, only the worker knows what its APP is (--interface auto).
        """
        if wanted.type == socket.SOCK_DGRAM and not self.config.share_datagrams:
            return False
        if is_script(self.config.app):
            return True
        named = self.config.interface
        interface = self.interface if named == AUTO else named
        is_program = interface in PROGRAM_INTERFACES or interface == ""
        return is_program or (wanted == _DEFAULT and not self.config.bind)


@dataclasses.dataclass
class Account:
    """The binds that one worker process has used up."""

    left: float = WORKER_BINDS  # binds with the rights of another user that it may request now
    seen_at: float = 0.0  # monotonic, when that was true
    logged_count: int = 0  # addresses that it has bound
    is_stalled: bool = False  # a file system that it named did not answer in time

    def spend(self) -> None:
        """Count a bind.

        Raises:
            OSError: There were too many, or one has timed out before.
        """
        now = time.monotonic()
        refill = (now - self.seen_at) * WORKER_BINDS_PER_SECOND if self.seen_at else 0.0
        self.left, self.seen_at = min(self.left + refill, WORKER_BINDS), now
        if self.is_stalled:
            raise os_error(errno.ETIMEDOUT)
        if self.left < 1:
            raise os_error(errno.ENOBUFS)
        self.left -= 1


def os_error(number: int) -> OSError:
    """Return the error as the system call would raise it."""
    return OSError(number, os.strerror(number))


def _default_address() -> Wanted:
    bind = parse_bind(DEFAULT_BIND)
    assert isinstance(bind, TcpBind)
    return Wanted(int(socket.AF_INET), int(socket.SOCK_STREAM), (bind.host, bind.port))


_DEFAULT = _default_address()
