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
from ngxloop.serving.handover.upgrade import Upgrade
from ngxloop.serving.process.poller import Handler, Poller
from ngxloop.serving.sockets.inheritance import BIND, LEADER, Heirloom, Predecessor
from ngxloop.serving.sockets.listeners import Listeners

_LOOK_SECONDS = 0.5  # between two looks at the old master, if the kernel does not tell


class GivesWay(Protocol):
    """What has a name that the new master needs."""

    def give_way(self) -> None:
        """Have another name."""

    def take_back(self) -> None:
        """Have the old name again."""


class Handover:
    """What this master is to others."""

    def __init__(
        self,
        tell: Callable[[events.Event], None],
        processes: Processes,
        poller: Poller,
        predecessor: Predecessor | None,
    ) -> None:
        self._tell = tell
        self._processes = processes
        self._poller = poller
        self._predecessor = predecessor
        self._end_fd = -1  # a pidfd of the master before us
        self._is_end_told = False
        self._upgrade = Upgrade(tell, processes, poller)
        self._ways: list[GivesWay] = []
        self._late_ways: list[GivesWay] = []

    @property
    def successor_pid(self) -> int:
        """The process id of the new master, 0 if there is none."""
        return self._upgrade.pid

    @property
    def predecessor_pid(self) -> int:
        """The process id of the master before us, 0 if it has ended."""
        return self._predecessor.pid if self._predecessor and self._predecessor.is_alive else 0

    @property
    def is_shared(self) -> bool:
        """Say whether another master uses our sockets too."""
        return bool(self.successor_pid or self.predecessor_pid)

    def add(self, way: GivesWay, *, is_late: bool = False) -> None:
        """Let this, too, give way to a new master.

        Args:
            way: What gives way.
            is_late: When the new one serves, not when it is started.
        """
        (self._late_ways if is_late else self._ways).append(way)

    def problem(self, *, is_strict: bool = False) -> str:
        """Return why there can be no new master now, if there cannot.

        Args:
            is_strict: We are root, and the workers are not.
        """
        self._upgrade.set_strict(is_strict)
        if self.successor_pid:
            return f"a new master runs already, process {self.successor_pid}; end one of us first"
        if self.predecessor_pid:
            return f"the master before us still runs, process {self.predecessor_pid}; end it first"
        if os.getpid() == 1:
            return "process 1 of a container takes the container with it; replace the container"
        return self._upgrade.problem()

    def start(self, listeners: Listeners, others: Sequence[Heirloom]) -> None:
        """Start a new master, and tell whether that was possible.

        Args:
            listeners: What it goes on with: the sockets of --bind,
            others: and the sockets of whom else.
        """
        bound = [Heirloom(BIND, one.key, one.sock.fileno()) for one in listeners.opened]
        seat = Heirloom(LEADER, "", leader.seat_fd())
        try:
            for way in self._ways:
                way.give_way()
            kept = self._processes.keepers.leave()
            self._upgrade.start([*bound, *kept, seat, *others])
        except OSError as error:
            self.restore_names()
            self._tell(events.NewMasterFailed(f"cannot start the new master: {error}"))
            return
        finally:
            self._processes.keepers.close_handovers()
        self._tell(events.NewMasterStarted(self.successor_pid))

    def restore_names(self) -> None:
        """Have all names again; one that fails is logged, and keeps no other from coming back."""
        for way in self._ways:
            self._poller.call(Handler(HandlerName.SERVING_STEP, way.take_back))
        self.set_answering(True)

    def set_answering(self, is_answering: bool) -> None:
        """Answer for the service, or let the new master do it."""
        for way in self._late_ways:
            act = way.take_back if is_answering else way.give_way
            self._poller.call(Handler(HandlerName.SERVING_STEP, act))

    def watch_predecessor(self) -> None:
        """Tell the machine when the master before us has ended."""
        if self._predecessor is None:
            return
        try:
            self._end_fd = os.pidfd_open(self._predecessor.pid)
            handler = Handler(HandlerName.OLD_MASTER, self.look_for_predecessor)
            self._poller.add(self._end_fd, handler)
        except OSError:  # it has ended, or no descriptor is free
            self._close_end_fd()
        self.look_for_predecessor()
        if self._end_fd < 0 and not self._is_end_told:
            again = Handler(HandlerName.OLD_MASTER, self.watch_predecessor)
            self._poller.call_later(_LOOK_SECONDS, again)

    def look_for_predecessor(self) -> None:
        """Tell the machine, once, if the master before us has ended."""
        if self._predecessor is None or self._is_end_told or self._predecessor.is_alive:
            return
        self._is_end_told = True
        self._close_end_fd()
        self._tell(events.OldMasterGone(self._predecessor.pid))

    def tell_ready(self) -> None:
        """We serve: let the master before us know."""
        if self._predecessor is not None:
            self._predecessor.tell_ready()

    def tell_ending(self) -> None:
        """We end: let the master before us know, if it is there."""
        if self._predecessor is not None:
            self._predecessor.tell_ending()

    def close(self) -> None:
        """Give back descriptors; nobody is ended."""
        self._upgrade.close()
        self._close_end_fd()
        if self._predecessor is not None:
            self._predecessor.forget()

    def close_in_worker(self) -> None:
        """Close a worker's copies."""
        self._upgrade.close_in_worker()
        if self._end_fd >= 0:
            os.close(self._end_fd)
            self._end_fd = -1
        if self._predecessor is not None:
            self._predecessor.forget()

    def _close_end_fd(self) -> None:
        if self._end_fd >= 0:
            self._poller.remove(self._end_fd)
            os.close(self._end_fd)
            self._end_fd = -1
