"""The master's side of the keepers (keeper.py): one for each user that workers have.

Rules.
1. The master never waits for a keeper: what it sends does not block, and a keeper that does not
   answer between two reports is killed and replaced. (When it ends, it waits for a second at most:
   socket files are to be removed.)
2. No message of a keeper carries a descriptor, and its texts are data of a stranger.
3. A keeper that has died is forked anew, later each time it dies young. Every worker gets a new
   line and sends over it the sockets that it has; so a socket is lost only if no worker has it.
4. It is forked when a worker needs a line, and ends when no worker has one and it keeps nothing.
   A worker that may turn out to serve an application with --bind, which needs none, asks for its
   line when it binds something.
5. A line that cannot be sent yet (keeperrecord.py) is closed, and the worker gets another one: the
   master has no descriptors that wait.
"""

import dataclasses
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.limits import KEEPER_END_SECONDS, REPORT_SECONDS
from ngxloop.serving.base.timing import BACKOFF_SECONDS
from ngxloop.serving.config.config import Config
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.channel import Channel, channel_pair
from ngxloop.serving.process.closing import close_socket
from ngxloop.serving.process.message import Kind, Speaker
from ngxloop.serving.process.poller import Alarm, Handler, Poller
from ngxloop.serving.process.privileges import Identity
from ngxloop.serving.process.process import fork_worker, is_child, wait_and_kill
from ngxloop.serving.sockets.inherited import KEEPER, SHARED, InheritedFd, OldMaster
from ngxloop.serving.sockets.keeper import Inherited, run_keeper
from ngxloop.serving.sockets.keeperrecord import KeeperRecord, Kept, Line
from ngxloop.serving.sockets.requester import Requester, describe_requester

_MESSAGES_PER_TURN = 256  # of one keeper


@dataclasses.dataclass(frozen=True)
class Children:
    """What the keepers need of the processes of the master."""

    adopt: Callable[[int, Callable[[int], None]], None]  # watch a child for its end
    forget: Callable[[], None]  # closes, in a fork, what belongs to the master


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
        self._children = children
        self._urge = urge
        self._keepers: dict[Identity | None, KeeperRecord] = {}
        self._number = 0  # of the newest line
        self._inherited = Inherited()
        self._handovers: list[socket.socket] = []  # ends for the keeper of a successor
        self._report_alarm: Alarm | None = None

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
        keeper = self._find(config)
        line = Line(requester, give, on_malformed, is_begun=requester.is_certain)
        theirs = self._connect(keeper, requester) if line.is_begun else None
        keeper.lines[requester.number] = line
        return requester.number, theirs

    def begin_line(self, number: int) -> None:
        """Let a worker have its end of a line; nothing happens if it has one, or may have none."""
        for keeper in list(self._keepers.values()):
            line = keeper.lines.get(number)
            if line is not None and not line.is_begun:
                line.is_begun = True
                self._begin(keeper, number)

    def _begin(self, keeper: KeeperRecord, number: int) -> None:
        if number not in keeper.lines:
            return
        try:
            self._need(keeper)
        except OSError as error:
            log.warning("no process can be started for the keeper of the sockets yet: %s", error)
            again = Handler(HandlerName.KEEPER_RESTART, lambda: self._begin(keeper, number))
            self._poller.call_later(BACKOFF_SECONDS, again)
        else:
            self._order(keeper, Kind.LINE, str(number).encode())

    def close_line(self, number: int) -> None:
        """The worker of a line has ended, or may ask no more."""
        for keeper in list(self._keepers.values()):
            self._hear(keeper)  # what it has bound for the worker is in the queue
            line = keeper.lines.pop(number, None)
            if line is not None:
                if line.is_begun:
                    self._order(keeper, Kind.HANG_UP, str(number).encode())
                self._end_if_unused(keeper)

    def drop_older(self, generation: int) -> None:
        """Close what no worker of this generation or a newer one has asked for."""
        for keeper in list(self._keepers.values()):
            self._order(keeper, Kind.DROP_OLDER, str(generation).encode())

    # What the master shows, and tells ----------------------------------------------------------

    @property
    def kept(self) -> list[Kept]:
        """What the keepers have, as they have said last."""
        for keeper in list(self._keepers.values()):
            self._hear(keeper)
        return [one for keeper in self._keepers.values() for one in keeper.kept.values()]

    def describe(self) -> list[str]:
        """Return each address as people write it, with the real port."""
        return [one.address for one in self.kept]

    def reopen_logs(self) -> None:
        """Let them write to the new log files."""
        for keeper in list(self._keepers.values()):
            self._order(keeper, Kind.REOPEN)

    # An upgrade, and the end -------------------------------------------------------------------

    def inherit(self, old_master: OldMaster) -> None:
        """Take what the master before us has left; begin() gives it to a keeper."""
        lines = [socket.socket(fileno=fd) for fd in old_master.descriptors(KEEPER)]
        self._inherited = Inherited(lines, old_master.sockets(SHARED))

    def begin(self, config: Config) -> None:
        """Let a keeper take over what was inherited.

        Raises:
            OSError: It cannot be forked.
        """
        if self._inherited.lines or self._inherited.sockets:
            self._need(self._find(config))

    def hand_over(self) -> list[InheritedFd]:
        """Let the keepers send their sockets to the keeper of a successor; return its ends."""
        left = []
        for keeper in list(self._keepers.values()):
            self._hear(keeper)
            if keeper.kept:
                ours, theirs = _seqpacket_pair()
                with ours:
                    self._send(keeper, Kind.HAND_OVER, b"", [ours.fileno()])
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
        if self._report_alarm is not None:
            self._report_alarm.cancel()
        self._inherited.close()
        deadline = time.monotonic() + KEEPER_END_SECONDS
        ending = [self._end(keeper, leave_files) for keeper in list(self._keepers.values())]
        for pid in filter(None, ending):
            wait_and_kill(pid, deadline, "the keeper")

    def forget_in_child(self) -> None:
        """Close, in a fork, what belongs to the master."""
        for keeper in self._keepers.values():
            if keeper.channel is not None:
                keeper.channel.close()
        self._inherited.close()

    # Private -----------------------------------------------------------------------------------

    def _find(self, config: Config) -> KeeperRecord:
        """Return the keeper of the user of a configuration; it may have no process yet."""
        identity = config.start_plan.identity
        keeper = self._keepers.get(identity)
        if keeper is None:
            keeper = self._keepers[identity] = KeeperRecord(config)
        keeper.config = config  # of the newest generation, for the next fork
        return keeper

    def _need(self, keeper: KeeperRecord) -> None:
        """Fork a keeper, if it has not been needed before; one that has died comes by itself."""
        if keeper.channel is None and not keeper.is_lost:
            self._fork(keeper)

    def _fork(self, keeper: KeeperRecord) -> None:
        ours, theirs = channel_pair(Speaker.KEEPER)
        inherited, master_pid = self._inherited, os.getpid()

        def forget() -> None:
            ours.close()
            self._inherited = Inherited()  # else forget_in_child() closes what we take over
            self._children.forget()

        try:
            handler = Handler(
                HandlerName.KEEPER_CHANNEL, lambda: self._hear(keeper), lambda: self._lose(keeper)
            )
            self._poller.add(ours.fileno(), handler)
            config = keeper.config
            pid = fork_worker(forget, lambda: run_keeper(theirs, config, master_pid, inherited))
        except BaseException:
            self._poller.remove(ours.fileno())
            ours.close()
            raise
        finally:
            theirs.close()
        self._inherited.close()
        self._inherited = Inherited()
        keeper.begin(pid, ours)
        self._children.adopt(pid, lambda code: self._ended(keeper, pid, code))
        self._ask_later()
        log.debug("keeper started, process %d", pid)

    def _connect(self, keeper: KeeperRecord, requester: Requester) -> Channel:
        """Return the worker's end of a line; one that cannot be sent now is replaced later.

        Raises:
            OSError: There are too few descriptors.
        """
        self._need(keeper)
        ours, theirs = channel_pair(Speaker.BIND_CLIENT)
        if keeper.has_room:
            self._send(keeper, Kind.LINE, requester.pack(), [ours.fileno()])
        elif keeper.channel is not None:
            keeper.keep_order(Kind.LINE, str(requester.number).encode())
        ours.close()
        return theirs

    def _order(self, keeper: KeeperRecord, kind: Kind, payload: bytes = b"") -> None:
        """Send an order, now or when the keeper has read those before."""
        if keeper.channel is not None:
            keeper.keep_order(kind, payload)
            self._send_waiting(keeper)

    def _send_waiting(self, keeper: KeeperRecord) -> None:
        """Send what waits, as far as there is room."""
        while (order := keeper.take_order()) is not None:
            kind, payload = order
            if kind is not Kind.LINE:
                self._send(keeper, kind, payload)
            elif (line := keeper.lines.get(int(payload))) is not None:
                try:
                    self._replace_line(keeper, line)
                except OSError as error:  # of descriptors there is a shortage
                    log.warning("%s gets no line to the keeper yet: %s", line.requester.name, error)
                    keeper.put_back(kind, payload)  # until the next report
                    return

    def _replace_line(self, keeper: KeeperRecord, line: Line) -> None:
        theirs = self._connect(keeper, line.requester)
        line.give(line.requester.number, theirs.fileno())
        theirs.close()

    def _send(
        self, keeper: KeeperRecord, kind: Kind, payload: bytes, fds: Sequence[int] = ()
    ) -> None:
        """Send a message; a keeper that has no room for it is replaced."""
        if keeper.channel is not None and not keeper.send(kind, payload, fds):
            self._lose(keeper)

    # What a keeper says ------------------------------------------------------------------------

    def _hear(self, keeper: KeeperRecord) -> None:
        channel = keeper.channel
        if channel is None:
            return
        count = 0
        for message in channel.messages(_MESSAGES_PER_TURN):
            count += 1
            if not keeper.note(message):
                channel.refuse(f"an invalid {message.kind.name}")
        if keeper.take_unaccepted():
            self._urge()
        if not channel.is_open:
            self._lose(keeper, channel.fault)
        elif count:  # one that has just begun has said nothing, and is needed
            self._send_waiting(keeper)
            self._end_if_unused(keeper)

    def _lose(self, keeper: KeeperRecord, fault: str = "") -> None:
        """It is gone, or of no use: end it, and have another one if a worker needs it."""
        if keeper.channel is None:
            return
        log.error(
            "the keeper of the sockets (process %d) %s",
            keeper.pid,
            f"is ended: it has sent {fault}" if fault else "is gone, or does not answer: replaced",
        )
        self._poller.remove(keeper.channel.fileno())
        keeper.channel.end()
        keeper.channel = None
        if is_child(keeper.pid):
            os.kill(keeper.pid, signal.SIGKILL)
        keeper.end()
        handler = Handler(HandlerName.KEEPER_RESTART, lambda: self._restart(keeper))
        self._poller.call_later(keeper.delay, handler)

    def _restart(self, keeper: KeeperRecord) -> None:
        """Fork it again, and give every worker another line."""
        if not keeper.is_lost or self._keepers.get(keeper.user) is not keeper:
            return
        if not keeper.lines:
            del self._keepers[keeper.user]
            return
        self._fork(keeper)
        for number, line in keeper.lines.items():
            if line.is_begun:
                keeper.keep_order(Kind.LINE, str(number).encode())
        self._send_waiting(keeper)

    def _ended(self, keeper: KeeperRecord, pid: int, code: int) -> None:
        """A keeper was reaped."""
        log.debug("keeper process %d ended with code %d", pid, code)
        if keeper.pid == pid:
            self._lose(keeper)

    def _end_if_unused(self, keeper: KeeperRecord) -> None:
        if keeper.is_unused and not keeper.is_lost:
            self._end(keeper)

    def _end(self, keeper: KeeperRecord, leave_files: bool = False) -> int:
        """Let it end; return its process id, 0 if there is none."""
        if self._keepers.get(keeper.user) is keeper:
            del self._keepers[keeper.user]
        keeper.is_lost = False
        if keeper.channel is None:
            return 0
        keeper.send(Kind.END, b"l" if leave_files else b"")
        self._poller.remove(keeper.channel.fileno())
        keeper.channel.end()
        keeper.channel = None
        return keeper.pid

    # Reports -----------------------------------------------------------------------------------

    def _ask_later(self) -> None:
        if self._report_alarm is not None:
            self._report_alarm.cancel()
        handler = Handler(HandlerName.KEEPER_REPORT, self._ask)
        self._report_alarm = self._poller.call_later(REPORT_SECONDS, handler)

    def _ask(self) -> None:
        """Ask for reports; who has not answered since the last time hangs."""
        for keeper in list(self._keepers.values()):
            self._hear(keeper)
            if keeper.is_overdue or (keeper.channel is not None and not keeper.ask()):
                self._lose(keeper)
        if self._keepers:
            self._ask_later()


def _seqpacket_pair() -> tuple[socket.socket, socket.socket]:
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for sock in pair:
        sock.setblocking(False)
    return pair
