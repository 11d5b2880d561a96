"""The master before us and the master after us: who may upgrade, and what gives way to whom.

Files that have a name (pid file, control socket) are renamed for the time in which two masters run,
and named back if the new one is gone. The status page is answered by the old master until the new
one serves, and again as soon as that begins to end: a load balancer sees no gap. Unix sockets are
removed by the one that remains only.
"""

import os
from collections.abc import Sequence
from typing import Protocol

from ngxloop import leader
from ngxloop.serving.crew import Crew
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.inheritance import BIND, LEADER, Heirloom, Predecessor
from ngxloop.serving.listeners import Listeners
from ngxloop.serving.logs import log
from ngxloop.serving.poller import Handler, Poller
from ngxloop.serving.upgrade import Upgrade


class GivesWay(Protocol):
    """What has a name that the new master needs."""

    def give_way(self) -> None:
        """Have another name."""

    def take_back(self) -> None:
        """Have the old name again."""


class Owner(Protocol):
    """Who is told about the new master."""

    def successor_ready(self, pid: int) -> None:
        """It serves."""

    def successor_gone(self, pid: int) -> None:
        """It has ended; what gave way is taken back."""


class Succession:
    """What this master is to others."""

    def __init__(
        self, owner: Owner, crew: Crew, poller: Poller, predecessor: Predecessor | None
    ) -> None:
        self._owner = owner
        self._crew = crew
        self._poller = poller
        self._predecessor = predecessor
        self._upgrade = Upgrade(self, crew, poller)
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

    def start(self, listeners: Listeners, others: Sequence[Heirloom]) -> str:
        """Start a new master; return why that was impossible, if it was.

        Args:
            listeners: What it goes on with: the sockets of --bind,
            others: and the sockets of whom else.
        """
        bound = [Heirloom(BIND, one.key, one.sock.fileno()) for one in listeners.opened]
        seat = Heirloom(LEADER, "", leader.seat_fd())
        try:
            for way in self._ways:
                way.give_way()
            kept = self._crew.keepers.leave()
            self._upgrade.start([*bound, *kept, seat, *others])
        except OSError as error:
            self._take_back()
            return f"cannot start the new master: {error}"
        finally:
            self._crew.keepers.close_handovers()
        return ""

    def give_up(self) -> None:
        """Take the names back, if no new master was started."""
        if not self.successor_pid:
            self._take_back()

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
        if self._predecessor is not None:
            self._predecessor.forget()

    def close_in_worker(self) -> None:
        """Close a worker's copies."""
        self._upgrade.close_in_worker()
        if self._predecessor is not None:
            self._predecessor.forget()

    def successor_ready(self, pid: int) -> None:
        """Tell the owner; see upgrade.Owner."""
        log.info("the new master (process %d) serves; QUIT ends this one, or that one", pid)
        for way in self._late_ways:
            self._poller.call(Handler(HandlerName.SERVING_STEP, way.give_way))
        self._owner.successor_ready(pid)

    def successor_ending(self, pid: int) -> None:
        """Answer for the service again; see upgrade.Owner."""
        self._take_back(self._late_ways)

    def successor_gone(self, pid: int) -> None:
        """Be alone again; see upgrade.Owner."""
        self._take_back()
        self._owner.successor_gone(pid)

    def _take_back(self, ways: Sequence[GivesWay] | None = None) -> None:
        """Have all names again; one that fails is logged, and keeps no other from coming back."""
        for way in [*self._ways, *self._late_ways] if ways is None else ways:
            self._poller.call(Handler(HandlerName.SERVING_STEP, way.take_back))
