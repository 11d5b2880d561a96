"""The master's side of the status over HTTP: sockets, reports, and the process that answers.

Rules.
1. The master waits for nothing that the process does. A report replaces the one before in memory; a
   byte that finds the line full is left out, and an order that does ends the process.
2. What the process sends is a wish for a report and nothing else; it is read and forgotten. Reports
   on demand are at least GAP_SECONDS apart, and take at most a tenth of the master's time.
3. A process that ends is started again, later each time it ends young. Connections wait in the
   queue of the listening socket meanwhile.
4. A byte goes over the line at each heartbeat. A process that has not read it HANG_BEATS heartbeats
   later is stopped or hangs, and is killed. The master counts its own heartbeats, so its own pauses
   do not matter, and looks at nothing that the process sends.
5. After a reload that changes the user, another process serves.
"""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable

from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.admin.requestserver import BACKLOG
from ngxloop.serving.admin.snapshots import SnapshotMemory, pack_report
from ngxloop.serving.admin.status import Status
from ngxloop.serving.admin.statusline import HEARTBEAT_SECONDS, StatusLine
from ngxloop.serving.admin.statusprocess import (
    HEARTBEAT,
    PAUSE,
    REOPEN,
    RESUME,
    StatusProcess,
)
from ngxloop.serving.base.errors import ConfigError
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.timing import YOUNG_SECONDS
from ngxloop.serving.config.config import Config
from ngxloop.serving.fleet.spawning import respawn_delay
from ngxloop.serving.logs.logs import log
from ngxloop.serving.options.binds import parse_bind
from ngxloop.serving.process.closing import refuse_descriptors
from ngxloop.serving.process.poller import Alarm, Handler, Poller
from ngxloop.serving.process.privileges import NOBODY, Identity, find_identity, is_less_privileged
from ngxloop.serving.process.process import exit_reason, fork_child
from ngxloop.serving.sockets.inherited import STATUS, InheritedFd
from ngxloop.serving.sockets.listeners import Listeners, describe_address
from ngxloop.serving.sockets.opening import open_listeners

HANG_BEATS = 5
_END_SECONDS = 1.0  # for a process that was killed

Adopt = Callable[[int, Callable[[int], None]], None]


class StatusSupervisor:
    """The listening sockets of --status-bind, and the process that answers on them.

    Args:
        config: Has the address.
        poller: Of the master.
        status: What there is to report.
        board: The scoreboard of the workers.
        adopt: Takes a child and what is called with its exit code.
        known: Sockets of the master before us.

    Raises:
        StartError: The address cannot be opened.
    """

    def __init__(
        self,
        config: Config,
        poller: Poller,
        status: Status,
        board: Scoreboard,
        adopt: Adopt,
        known: Listeners,
    ) -> None:
        assert config.status_bind is not None
        self._config = config
        self._poller = poller
        self._status = status
        self._board = board
        self._adopt = adopt
        self._memory = SnapshotMemory()
        self._line = StatusLine(poller, self.report)
        self._pid = 0
        self._started_at = 0.0
        self._early_exits = 0
        self._deaf_beats = 0  # in a row, at which the process had not read the byte before
        self._is_replaced = False  # the process is killed for another user's
        self._is_answering = True
        self._is_closed = False
        self._heartbeat: Alarm | None = None
        bind = parse_bind(config.status_bind)
        self.listeners: Listeners = open_listeners([bind], BACKLOG, 0o666, known=known)
        for sock in self.sockets:
            sock.setblocking(False)

    @property
    def sockets(self) -> list[socket.socket]:
        """Return the sockets: a host name can have several addresses."""
        return list(self.listeners.sockets)

    def describe(self) -> list[str]:
        """Return the addresses."""
        return [describe_address(sock) for sock in self.sockets]

    def start(self) -> None:
        """Report from now on, and start the process; without one, try again later."""
        self._beat()
        self._poller.call(Handler(HandlerName.STATUS_PROCESS, self._start, self._not_started))

    # What happens to the sockets, see handover.Pausable ------------------------------------------

    def hand_over(self) -> list[InheritedFd]:
        """Return what a new master needs."""
        return [InheritedFd(STATUS, one.key, one.sock.fileno()) for one in self.listeners.opened]

    def pause(self) -> None:
        """Let another master answer; what is still asked here is answered from the last report."""
        self._is_answering = False
        self._line.order(self._pid, PAUSE)

    def resume(self) -> None:
        """Answer, from a report of now on."""
        if not self._is_answering:
            self._is_answering = True
            self.report()
            self._line.order(self._pid, RESUME)

    def configure(self, config: Config) -> None:
        """Let a process with the user of another configuration serve, at the same address."""
        old, self._config = _identity(self._config), config
        if self._pid and _identity(config) != old:
            log.debug("the status process (process %d) is replaced: another --user", self._pid)
            self._is_replaced = True
            os.kill(self._pid, signal.SIGKILL)

    def reopen_log(self) -> None:
        """Let the process write to the standard error of the master."""
        self._line.order(self._pid, REOPEN, [2])

    def close(self, leave_files: bool = False) -> None:
        """Stop answering. The address is free when this returns."""
        self._is_closed = True
        if self._heartbeat is not None:
            self._heartbeat.cancel()
        self._line.close()
        if self._pid:
            _kill(self._pid)
        self.listeners.close(leave_files=leave_files)

    def close_in_worker(self) -> None:
        """Close a worker's copies."""
        self._line.close_in_worker()
        self.listeners.close()

    # The process -------------------------------------------------------------------------------

    def _start(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            for end in (ours, theirs):
                end.setblocking(False)
            refuse_descriptors(ours)
            try:
                self._pid = self._fork(theirs)
            except OSError:
                ours.close()
                raise
        self._deaf_beats = 0
        self._is_replaced = False
        self._started_at = time.monotonic()
        self._adopt(self._pid, self._ended)
        self._line.open(ours)
        log.debug("the status is served by process %d", self._pid)

    def _fork(self, line: socket.socket) -> int:
        process = StatusProcess(
            self._config,
            _identity(self._config),
            self.sockets,
            self._memory,
            self._board,
            line,
        )
        return fork_child(process.forget, lambda: process.run(self._is_answering))

    def _ended(self, code: int) -> None:
        """The process was reaped."""
        pid, self._pid = self._pid, 0
        self._line.close()
        if self._is_closed:
            return
        if self._is_replaced:
            self._start_later(0)
            return
        is_young = time.monotonic() - self._started_at < YOUNG_SECONDS
        self._early_exits = self._early_exits + 1 if is_young else 0
        delay = respawn_delay(self._early_exits)
        reason = exit_reason(code)
        log.warning("the status process (process %d) %s; respawned in %g s", pid, reason, delay)
        self._start_later(delay)

    def _not_started(self) -> None:
        if self._pid:  # it was forked, and cannot be heard: it ends with its line
            self._line.close()
            return
        self._early_exits += 1
        self._start_later(respawn_delay(self._early_exits))

    def _start_later(self, delay: float) -> None:
        handler = Handler(HandlerName.STATUS_PROCESS, self._start_again, self._not_started)
        self._poller.call_later(delay, handler)

    def _start_again(self) -> None:
        if not self._is_closed and not self._pid:
            self._start()

    # Reports -----------------------------------------------------------------------------------

    def _beat(self) -> None:
        """Report, and again after a while."""
        handler = Handler(HandlerName.STATUS_REPORT, self._beat)
        self._heartbeat = self._poller.call_later(HEARTBEAT_SECONDS, handler)
        self._check_process()
        self.report()
        self._line.tell(HEARTBEAT)

    def _check_process(self) -> None:
        """Kill a process that does not read what it is sent, or has not ended without a line."""
        if not self._pid:
            return
        is_deaf = self._line.is_deaf
        self._deaf_beats = self._deaf_beats + 1 if is_deaf else 0
        if self._deaf_beats >= HANG_BEATS:
            log.error("the status process (process %d) does not respond; killed", self._pid)
            os.kill(self._pid, signal.SIGKILL)

    def report(self) -> None:
        """Replace the report by one of now, unless another master answers.

        A process that has not read yet that it pauses would tell of our end, not of the service's.
        """
        if not self._is_answering:
            return
        packed = pack_report(self._status.report())
        self._memory.write(packed)


def _identity(config: Config) -> Identity | None:
    """Return the user of the process: that of the workers, nobody if they are root."""
    identity = config.start_plan.identity
    if os.geteuid() != 0 or is_less_privileged(identity):
        return identity
    try:
        return find_identity("nobody", None)
    except ConfigError:  # no such name here
        return Identity(NOBODY, NOBODY, "")


def _kill(pid: int) -> None:
    """End the process, which has nothing to finish, and wait until the kernel has its sockets."""
    with contextlib.suppress(OSError):  # it is reaped already
        fd = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGKILL)
            poll = select.poll()
            poll.register(fd, select.POLLIN)
            poll.poll(_END_SECONDS * 1000)
            os.waitpid(pid, os.WNOHANG)
        finally:
            os.close(fd)
