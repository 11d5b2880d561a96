"""The master before us and the master after us: who may upgrade, and what has its name taken.

Files that have a name (pid file, control socket) are renamed for the time in which two masters run,
and named back if the new one is gone. The status page is answered by the old master until the new
one serves, and again as soon as that begins to end: a load balancer sees no gap. Unix sockets are
removed by the one that remains only.
"""

import os
from collections.abc import Callable, Sequence
from typing import Protocol

from ngxloop import leader
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.fleet import events
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.handover.newmaster import NewMaster
from ngxloop.serving.process.poller import Handler, Poller
from ngxloop.serving.sockets.inherited import BIND, LEADER, InheritedFd, OldMaster, WorkerCount
from ngxloop.serving.sockets.listeners import Listeners

_LOOK_SECONDS = 0.5  # between two looks at the old master, if the kernel does not tell


class Renamable(Protocol):
    """A file whose name the new master needs."""

    def rename_aside(self) -> None:
        """Leave the name to the new master."""

    def restore(self) -> None:
        """Take the name back."""


class Pausable(Protocol):
    """A service that only one of the two masters answers."""

    def pause(self) -> None:
        """Let the new master answer."""

    def resume(self) -> None:
        """Answer again."""


class Handover:
    """What this master is to others."""

    def __init__(
        self,
        tell: Callable[[events.Event], None],
        processes: Processes,
        poller: Poller,
        old_master: OldMaster | None,
    ) -> None:
        self._tell = tell
        self._processes = processes
        self._poller = poller
        self._old_master = old_master
        self._end_fd = -1  # a pidfd of the master before us
        self._is_end_told = False
        self._new_master = NewMaster(tell, processes, poller)
        self._files: list[Renamable] = []
        self._services: list[Pausable] = []

    @property
    def new_master_pid(self) -> int:
        """The process id of the new master, 0 if there is none."""
        return self._new_master.pid

    @property
    def old_master_pid(self) -> int:
        """The process id of the master before us, 0 if it has ended."""
        return self._old_master.pid if self._old_master and self._old_master.is_alive else 0

    @property
    def is_shared(self) -> bool:
        """Say whether another master uses our sockets too."""
        return bool(self.new_master_pid or self.old_master_pid)

    def add_file(self, file: Renamable) -> None:
        """Rename this file, too, when a new master is started."""
        self._files.append(file)

    def add_service(self, service: Pausable) -> None:
        """Pause this service, too, when a new master serves."""
        self._services.append(service)

    def problem(self, *, is_strict: bool = False) -> str:
        """Return why there can be no new master now, if there cannot.

        Args:
            is_strict: We are root, and the workers are not.
        """
        self._new_master.set_strict(is_strict)
        if self.new_master_pid:
            pid = self.new_master_pid
            return f"a new master is already running (process {pid}); stop one of the two first"
        if self.old_master_pid:
            return f"the old master is still running (process {self.old_master_pid}); stop it first"
        if os.getpid() == 1:
            return "process 1 of a container cannot be upgraded; replace the container"
        return self._new_master.problem()

    def start(
        self, listeners: Listeners, others: Sequence[InheritedFd], workers: WorkerCount
    ) -> None:
        """Start a new master, and tell whether that was possible.

        Args:
            listeners: What it goes on with: the sockets of --bind,
            others: and the sockets of whom else.
            workers: How many we have.
        """
        bound = [InheritedFd(BIND, one.key, one.sock.fileno()) for one in listeners.opened]
        lock = InheritedFd(LEADER, "", leader.lock_fd())
        try:
            for file in self._files:
                file.rename_aside()
            kept = self._processes.keepers.hand_over()
            self._new_master.start([*bound, *kept, lock, *others], workers)
        except OSError as error:
            self.restore_names()
            self._tell(events.NewMasterFailed(f"cannot start the new master: {error}"))
            return
        finally:
            self._processes.keepers.close_handovers()
        self._tell(events.NewMasterStarted(self.new_master_pid))

    def restore_names(self) -> None:
        """Have all names again; one that fails is logged, and keeps no other from coming back."""
        for file in self._files:
            self._poller.call(Handler(HandlerName.SERVING_STEP, file.restore))
        self.set_answering(True)

    def set_answering(self, is_answering: bool) -> None:
        """Answer for the service, or let the new master do it."""
        for service in self._services:
            act = service.resume if is_answering else service.pause
            self._poller.call(Handler(HandlerName.SERVING_STEP, act))

    def watch_old_master(self) -> None:
        """Tell the machine when the master before us has ended."""
        if self._old_master is None:
            return
        try:
            self._end_fd = os.pidfd_open(self._old_master.pid)
            handler = Handler(HandlerName.OLD_MASTER, self.look_for_old_master)
            self._poller.add(self._end_fd, handler)
        except OSError:  # it has ended, or no descriptor is free
            self._close_end_fd()
        self.look_for_old_master()
        if self._end_fd < 0 and not self._is_end_told:
            again = Handler(HandlerName.OLD_MASTER, self.watch_old_master)
            self._poller.call_later(_LOOK_SECONDS, again)

    def look_for_old_master(self) -> None:
        """Tell the machine, once, if the master before us has ended."""
        if self._old_master is None or self._is_end_told or self._old_master.is_alive:
            return
        self._is_end_told = True
        self._close_end_fd()
        self._tell(events.OldMasterGone(self._old_master.pid))

    def tell_ready(self) -> None:
        """We serve: let the master before us know."""
        if self._old_master is not None:
            self._old_master.tell_ready()

    def tell_ending(self) -> None:
        """We end: let the master before us know, if it is there."""
        if self._old_master is not None:
            self._old_master.tell_ending()

    def close(self) -> None:
        """Give back descriptors; nobody is ended."""
        self._new_master.close()
        self._close_end_fd()
        if self._old_master is not None:
            self._old_master.forget()

    def close_in_worker(self) -> None:
        """Close a worker's copies."""
        self._new_master.close_in_worker()
        if self._end_fd >= 0:
            os.close(self._end_fd)
            self._end_fd = -1
        if self._old_master is not None:
            self._old_master.forget()

    def _close_end_fd(self) -> None:
        if self._end_fd >= 0:
            self._poller.remove(self._end_fd)
            os.close(self._end_fd)
            self._end_fd = -1
