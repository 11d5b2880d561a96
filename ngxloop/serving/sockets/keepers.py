"""The master's side of the keepers (keeper.py): one for each user that workers have.

Rules.
1. A keeper is forked when a worker needs a line, and ends when no worker has one and it keeps
   nothing; see keeperprocesses.py. A worker that may turn out to serve an application with --bind,
   which needs none, asks for its line when it binds something.
2. A line is made for a worker before its fork, and closed by the master when the worker has ended.
"""

import socket
from collections.abc import Callable

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.timing import BACKOFF_SECONDS
from ngxloop.serving.config.config import Config
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.process.closing import close_socket
from ngxloop.serving.process.message import MessageKind
from ngxloop.serving.process.poller import Handler, Poller
from ngxloop.serving.sockets.inherited import KEEPER, SHARED, InheritedFd, OldMaster
from ngxloop.serving.sockets.keeper import Inherited
from ngxloop.serving.sockets.keeperprocesses import Children, KeeperProcesses
from ngxloop.serving.sockets.keeperrecord import KeeperRecord, Kept, Line
from ngxloop.serving.sockets.requester import describe_requester


class Keepers:
    """Every keeper of a master."""

    def __init__(self, poller: Poller, children: Children, urge: Callable[[], object]) -> None:
        """Have none yet.

        Args:
            poller: The master's.
            children: See there.
            urge: Urges all workers to take what waits, see acceptwatch.py.
        """
        self._poller = poller
        self._processes = KeeperProcesses(poller, children, urge)
        self._number = 0  # of the newest line
        self._handovers: list[socket.socket] = []  # ends for the keeper of a successor

    # Workers -----------------------------------------------------------------------------------

    def open_line(
        self,
        name: str,
        generation: int,
        config: Config,
        interface: str,
        give: Callable[[int, int], object],
        on_malformed: Callable[[int, str], object],
    ) -> tuple[int, Channel | None]:
        """Return the number of a line and the end for a new worker; 0 and None if it needs none.

        A number without an end: the worker asks for the line when it needs it, see begin_line().

        Args:
            name: See requester.describe_requester().
            generation: See there.
            config: See there.
            interface: See there.
            give: Called with the number and the worker's end of another line, when the keeper has
                died.
            on_malformed: Called with the number and a reason when the worker has sent nonsense.

        Raises:
            OSError: There can be no more processes, or descriptors.
        """
        requester = describe_requester(self._number + 1, name, generation, config, interface)
        if requester is None:
            return 0, None
        self._number += 1
        keeper = self._processes.find(config)
        line = Line(requester, give, on_malformed, is_begun=requester.is_certain)
        theirs = self._processes.connect(keeper, requester) if line.is_begun else None
        keeper.lines[requester.number] = line
        return requester.number, theirs

    def begin_line(self, number: int) -> None:
        """Let a worker have its end of a line; nothing happens if it has one, or may have none."""
        for keeper in self._processes.all:
            line = keeper.lines.get(number)
            if line is not None and not line.is_begun:
                line.is_begun = True
                self._begin(keeper, number)

    def _begin(self, keeper: KeeperRecord, number: int) -> None:
        if number not in keeper.lines:
            return
        try:
            self._processes.need(keeper)
        except OSError as error:
            log.warning("no process can be started for the keeper of the sockets yet: %s", error)
            again = Handler(HandlerName.KEEPER_RESTART, lambda: self._begin(keeper, number))
            self._poller.call_later(BACKOFF_SECONDS, again)
        else:
            self._processes.order(keeper, MessageKind.LINE, str(number).encode())

    def close_line(self, number: int) -> None:
        """The worker of a line has ended, or may ask no more."""
        for keeper in self._processes.all:
            self._processes.receive(keeper)  # what it has bound for the worker is in the queue
            line = keeper.lines.pop(number, None)
            if line is not None:
                if line.is_begun:
                    self._processes.order(keeper, MessageKind.HANG_UP, str(number).encode())
                self._processes.end_if_unused(keeper)

    def drop_older(self, generation: int) -> None:
        """Close what no worker of this generation or a newer one has asked for."""
        for keeper in self._processes.all:
            self._processes.order(keeper, MessageKind.DROP_OLDER, str(generation).encode())

    # What the master shows, and tells ----------------------------------------------------------

    @property
    def kept(self) -> list[Kept]:
        """What the keepers have, as they have said last."""
        for keeper in self._processes.all:
            self._processes.receive(keeper)
        return [one for keeper in self._processes.all for one in keeper.kept.values()]

    def describe(self) -> list[str]:
        """Return each address as people write it, with the real port."""
        return [one.address for one in self.kept]

    def reopen_logs(self) -> None:
        """Let them write to the new log files."""
        for keeper in self._processes.all:
            self._processes.order(keeper, MessageKind.REOPEN)

    # An upgrade, and the end -------------------------------------------------------------------

    def inherit(self, old_master: OldMaster) -> None:
        """Take what the master before us has left; begin() gives it to a keeper."""
        lines = [socket.socket(fileno=fd) for fd in old_master.descriptors(KEEPER)]
        self._processes.inherited = Inherited(lines, old_master.sockets(SHARED))

    def begin(self, config: Config) -> None:
        """Let a keeper take over what was inherited.

        Raises:
            OSError: It cannot be forked.
        """
        if self._processes.inherited.lines or self._processes.inherited.sockets:
            self._processes.need(self._processes.find(config))

    def hand_over(self) -> list[InheritedFd]:
        """Let the keepers send their sockets to the keeper of a successor; return its ends."""
        left = []
        for keeper in self._processes.all:
            self._processes.receive(keeper)
            if keeper.kept:
                ours, theirs = _seqpacket_pair()
                with ours:
                    self._processes.send(keeper, MessageKind.HAND_OVER, b"", [ours.fileno()])
                self._handovers.append(theirs)
                left.append(InheritedFd(KEEPER, "", theirs.fileno()))
        return left

    def close_handovers(self) -> None:
        """Close our copies of what hand_over() has returned."""
        for sock in self._handovers:
            close_socket(sock)
        self._handovers.clear()

    def close(self, leave_files: bool = False) -> None:
        """End them all, and wait for their ends a moment."""
        self._processes.close(leave_files)

    def forget_in_child(self) -> None:
        """Close, in a fork, what belongs to the master."""
        self._processes.forget_in_child()


def _seqpacket_pair() -> tuple[socket.socket, socket.socket]:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for sock in pair:
        sock.setblocking(False)
    return pair
