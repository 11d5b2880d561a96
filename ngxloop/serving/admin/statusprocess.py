"""The process that answers for the status over HTTP, without rights: no client's bytes reach root.

The master forks it and never waits for it (statussupervisor.py). It has the listening sockets, the
line to the master, memory with the master's newest report (snapshots.py), and the scoreboard, which
it can only read. It frees the private keys that it has inherited. It runs as --user, or as nobody
if the master is root and there is no other user; it writes no core file, forks no process and gains
no rights.

A question is answered from a report that the master has made since: it is asked for one with a
byte, and makes it in its next turn. A slow master delays the answers by ASK_SECONDS once; until it
reports, the report of its last heartbeat is used.
"""

import contextlib
import gc
import json
import os
import resource
import select
import signal
import socket
import time
from collections.abc import Sequence
from typing import Any

from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.admin.metrics import add_metrics
from ngxloop.serving.admin.requestserver import RequestServer
from ngxloop.serving.admin.snapshots import SnapshotMemory
from ngxloop.serving.admin.statuspage import StatusPage
from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.config.config import Config
from ngxloop.serving.config.tls import forget_keys
from ngxloop.serving.logs.logformats import Writer
from ngxloop.serving.logs.logs import log, set_up_logs
from ngxloop.serving.process.closing import close_fds, receive_with_fds
from ngxloop.serving.process.parent import signal_on_parent_death
from ngxloop.serving.process.poller import Handler, Poller
from ngxloop.serving.process.privileges import Identity, refuse_new_privileges, set_dumpable
from ngxloop.serving.process.rlimits import own_limits
from ngxloop.serving.process.titles import set_title

ASK = b"?"  # to the master: report
# From the master:
REPORTED = b"!"
HEARTBEAT = b"."  # nothing is to be done: the master sees that it is read
PAUSE = b"p"  # let another master answer
RESUME = b"r"
REOPEN = b"o"  # the descriptor that comes with it is the new standard error
ASK_SECONDS = 0.25
_FD_LIMIT = 256  # of this process; every listening socket has CONNECTION_COUNT connections


class StatusProcess:
    """The life of the process; made in the master, run after the fork."""

    def __init__(
        self,
        config: Config,
        identity: Identity | None,
        listening: Sequence[socket.socket],
        memory: SnapshotMemory,
        board: Scoreboard,
        line: socket.socket,
    ) -> None:
        self._config = config
        self._identity = identity
        self._listening = listening
        self._memory = memory
        self._board = board
        self._line = line
        self._master_pid = os.getpid()
        self._is_asked = False  # the master has still to report
        self._asked_at = 0.0
        self._is_over = False
        self._servers: list[RequestServer] = []

    def forget(self) -> None:
        """Free the keys, and close all but what this process needs.

        By number: the objects of the descriptors are the master's.
        """
        forget_keys()
        set_up_logs(self._config, Writer("status"), self._config.start_plan.uid)
        gc.freeze()  # what the master has not collected yet must not close the numbers once more
        needed = {0, 1, 2, self._line.fileno(), *(sock.fileno() for sock in self._listening)}
        for name in os.listdir("/proc/self/fd"):
            if int(name) not in needed:
                with contextlib.suppress(OSError):  # the one that has listed the folder
                    os.close(int(name))

    def run(self, is_answering: bool) -> int:
        """Answer until the master closes the line; return the exit status."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # which its group may get with the master
        set_title(f"status [{self._config.app}]")
        try:
            self._drop_rights()
        except (OSError, ValueError) as error:  # ValueError: a limit, see resource.setrlimit()
            log.error("the status process cannot drop its privileges: %s; it exits", error)
            return ExitCode.START_FAILED
        if not signal_on_parent_death(signal.SIGKILL, self._master_pid):
            return 0
        self._poller = Poller()
        page = StatusPage(self._find_snapshot)
        for sock in self._listening:
            self._servers.append(RequestServer(self._poller, sock, page.protocol))
        if not is_answering:
            self._pause()
        self._poller.add(
            self._line.fileno(), Handler(HandlerName.STATUS_ORDERS, self._handle_orders)
        )
        while not self._is_over:
            self._poller.wait(None)
        return 0

    def _drop_rights(self) -> None:
        self._board.protect()
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = min(_FD_LIMIT, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if self._identity is not None:
            self._identity.drop_privileges()
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
        refuse_new_privileges()
        set_dumpable(False)  # its memory is a copy of the master's
        self._limits = own_limits()

    # The line to the master --------------------------------------------------------------------

    def _handle_orders(self) -> None:
        while not self._is_over:
            try:
                order, fds, _ = receive_with_fds(self._line, len(REPORTED))
            except BlockingIOError:
                return
            except OSError:
                order, fds = b"", ()
            self._act(order, fds)
            close_fds(fds)

    def _act(self, order: bytes, fds: Sequence[int]) -> None:
        if order == REPORTED:
            self._is_asked = False
        elif order == HEARTBEAT:
            self._check_limits()
        elif order == PAUSE:
            self._pause()
        elif order == RESUME:
            for server in self._servers:
                server.resume()
        elif order == REOPEN and fds:
            os.dup2(fds[0], 2)
        elif not order:
            self._is_over = True

    def _check_limits(self) -> None:
        """End if another process of our user has changed the limits: it may leave no descriptor."""
        if own_limits() != self._limits:
            log.error("another process has changed the limits of the status process; it exits")
            self._is_over = True

    def _pause(self) -> None:
        for server in self._servers:
            server.pause()

    def _find_snapshot(self) -> tuple[dict[str, Any], float]:
        self._ask()
        report, age = self._memory.read()
        snapshot = add_metrics(json.loads(report), self._board)
        self._add_failures(snapshot["failures"])
        return snapshot, age

    def _ask(self) -> None:
        """Let the master report, unless it is still asked for a report that it did not give yet."""
        self._handle_orders()
        if self._is_asked and not self._has_reported():
            return
        self._asked_at = time.monotonic()
        try:
            self._line.send(ASK)
        except OSError:  # it is gone
            return
        self._is_asked = True
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        deadline = time.monotonic() + ASK_SECONDS
        while self._is_asked and not self._is_over:  # an order may come first
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                log.debug("the master has not reported within %g s", ASK_SECONDS)
                return
            self._handle_orders()

    def _has_reported(self) -> bool:
        """Say whether there is a report since we asked: the byte that says so can be lost."""
        _, age = self._memory.read()
        return time.monotonic() - age > self._asked_at

    def _add_failures(self, failures: dict[str, Any]) -> None:
        """Add our own: of the handlers of connections."""
        ours = self._poller.failures
        for name, count in ours.counts.items():
            failures["handlers"][str(name)] = failures["handlers"].get(str(name), 0) + count
        failures["last"] = ours.last or failures["last"]
