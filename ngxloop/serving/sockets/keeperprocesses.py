"""The processes of the keepers (keeper.py): forked, watched, ordered, replaced and ended.

Rules.
1. The master never waits for a keeper: what it sends does not block, and a keeper that does not
   answer between two reports is killed and replaced. (When it ends, it waits for a second at most:
   socket files are to be removed.)
2. No message of a keeper carries a descriptor, and its texts are data of a stranger.
3. A keeper that has died is forked again, with back-off. Every worker gets a new line and sends
   over it the sockets that it has; so a socket is lost only if no worker has it.
4. A line that cannot be sent yet (keeperrecord.py) is closed, and the worker gets another one: the
   master has no descriptors that wait.
"""

import dataclasses
import os
import signal
import time
from collections.abc import Callable, Sequence

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.config.config import Config
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.channel import Channel, channel_pair
from ngxloop.serving.process.children import is_child
from ngxloop.serving.process.message import MessageKind, Speaker
from ngxloop.serving.process.poller import Alarm, Handler, Poller
from ngxloop.serving.process.privileges import Identity
from ngxloop.serving.process.process import fork_child, wait_and_kill
from ngxloop.serving.sockets.keeper import Inherited, run_keeper
from ngxloop.serving.sockets.keeperlimits import KEEPER_END_SECONDS, REPORT_SECONDS
from ngxloop.serving.sockets.keeperrecord import KeeperRecord
from ngxloop.serving.sockets.requester import Requester

_MESSAGES_PER_TURN = 256  # of one keeper


@dataclasses.dataclass(frozen=True)
class Children:
    """What the keepers need of the processes of the master."""

    adopt: Callable[[int, Callable[[int], None]], None]  # watch a child for its end
    forget: Callable[[], None]  # closes, in a fork, what belongs to the master


class KeeperProcesses:
    """The keepers of a master: one for each user that its workers have."""

    def __init__(self, poller: Poller, children: Children, urge: Callable[[], object]) -> None:
        """Have none yet; for the arguments, see Keepers."""
        self._poller = poller
        self._children = children
        self._urge = urge
        self._records: dict[Identity | None, KeeperRecord] = {}
        self._report_alarm: Alarm | None = None
        self.inherited: Inherited = Inherited()  # what the next one that is forked takes over

    @property
    def all(self) -> list[KeeperRecord]:
        """Return the keepers; one may have no process at the moment."""
        return list(self._records.values())

    def close(self, leave_files: bool) -> None:
        """End them all, and wait for their ends a moment."""
        if self._report_alarm is not None:
            self._report_alarm.cancel()
        self.inherited.close()
        deadline = time.monotonic() + KEEPER_END_SECONDS
        for pid in filter(None, [self.end(keeper, leave_files) for keeper in self.all]):
            wait_and_kill(pid, deadline, "the keeper")

    def forget_in_child(self) -> None:
        """Close, in a fork, what belongs to the master."""
        for keeper in self.all:
            if keeper.channel is not None:
                keeper.channel.close()
        self.inherited.close()

    def find(self, config: Config) -> KeeperRecord:
        """Return the keeper of the user of a configuration; it may have no process yet."""
        identity = config.start_plan.identity
        keeper = self._records.get(identity)
        if keeper is None:
            keeper = self._records[identity] = KeeperRecord(config)
        keeper.config = config  # of the newest generation, for the next fork
        return keeper

    def need(self, keeper: KeeperRecord) -> None:
        """Fork a keeper, if it has not been needed before; one that has died comes by itself."""
        if keeper.channel is None and not keeper.is_lost:
            self._fork(keeper)

    def connect(self, keeper: KeeperRecord, requester: Requester) -> Channel:
        """Return the worker's end of a line; one that cannot be sent now is replaced later.

        Raises:
            OSError: There are too few descriptors.
        """
        self.need(keeper)
        ours, theirs = channel_pair(Speaker.BIND_CLIENT)
        if keeper.has_room:
            self.send(keeper, MessageKind.LINE, requester.pack(), [ours.fileno()])
        elif keeper.channel is not None:
            keeper.keep_order(MessageKind.LINE, str(requester.number).encode())
        ours.close()
        return theirs

    def order(self, keeper: KeeperRecord, kind: MessageKind, payload: bytes = b"") -> None:
        """Send an order, now or when the keeper has read those before."""
        if keeper.channel is not None:
            keeper.keep_order(kind, payload)
            self._send_waiting(keeper)

    def send(
        self, keeper: KeeperRecord, kind: MessageKind, data: bytes, fds: Sequence[int] = ()
    ) -> None:
        """Send a message; a keeper that has no room for it is replaced."""
        if keeper.channel is not None and not keeper.send(kind, data, fds):
            self._lose(keeper)

    def receive(self, keeper: KeeperRecord) -> None:
        """Note what a keeper has sent."""
        channel = keeper.channel
        if channel is None:
            return
        count = keeper.receive(_MESSAGES_PER_TURN)
        if keeper.take_unaccepted():
            self._urge()
        if not channel.is_open:
            self._lose(keeper, channel.fault)
        elif count:  # one that has just begun has said nothing, and is needed
            self._send_waiting(keeper)
            self.end_if_unused(keeper)

    def end_if_unused(self, keeper: KeeperRecord) -> None:
        """Let a keeper end that has no lines and no sockets."""
        if keeper.is_unused and not keeper.is_lost:
            self.end(keeper)

    def end(self, keeper: KeeperRecord, leave_files: bool = False) -> int:
        """Let it end; return its process id, 0 if there is none."""
        if self._records.get(keeper.user) is keeper:
            del self._records[keeper.user]
        keeper.is_lost = False
        if keeper.channel is None:
            return 0
        keeper.send(MessageKind.END, b"l" if leave_files else b"")
        self._poller.remove(keeper.channel.fileno())
        keeper.channel.end()
        keeper.channel = None
        return keeper.pid

    # Private -----------------------------------------------------------------------------------

    def _fork(self, keeper: KeeperRecord) -> None:
        ours, theirs = channel_pair(Speaker.KEEPER)
        inherited, master_pid = self.inherited, os.getpid()

        def forget() -> None:
            ours.close()
            self.inherited = Inherited()  # else forget_in_child() closes what we take over
            self._children.forget()

        try:
            handler = Handler(
                HandlerName.KEEPER_CHANNEL, lambda: self.receive(keeper), lambda: self._lose(keeper)
            )
            self._poller.add(ours.fileno(), handler)
            config = keeper.config
            pid = fork_child(forget, lambda: run_keeper(theirs, config, master_pid, inherited))
        except BaseException:
            self._poller.remove(ours.fileno())
            ours.close()
            raise
        finally:
            theirs.close()
        self.inherited.close()
        self.inherited = Inherited()
        keeper.begin(pid, ours)
        self._children.adopt(pid, lambda code: self._ended(keeper, pid, code))
        self._ask_later()
        log.debug("keeper started, process %d", pid)

    def _send_waiting(self, keeper: KeeperRecord) -> None:
        """Send what waits, as far as there is room."""
        while (order := keeper.take_order()) is not None:
            kind, payload = order
            if kind is not MessageKind.LINE:
                self.send(keeper, kind, payload)
            elif (line := keeper.lines.get(int(payload))) is not None:
                try:
                    theirs = self.connect(keeper, line.requester)
                except OSError as error:  # of descriptors there is a shortage
                    log.warning("%s gets no line to the keeper yet: %s", line.requester.name, error)
                    keeper.put_back(kind, payload)  # until the next report
                    return
                line.give(line.requester.number, theirs.fileno())
                theirs.close()

    def _lose(self, keeper: KeeperRecord, fault: str = "") -> None:
        """It is gone, or of no use: end it, and have another one if a worker needs it."""
        if keeper.channel is None:
            return
        reason = f"is ended: it has sent {fault}" if fault else "is gone or does not answer"
        log.error("the keeper of the sockets (process %d) %s; replaced", keeper.pid, reason)
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
        if not keeper.is_lost or self._records.get(keeper.user) is not keeper:
            return
        if not keeper.lines:
            del self._records[keeper.user]
            return
        self._fork(keeper)
        for number, line in keeper.lines.items():
            if line.is_begun:
                keeper.keep_order(MessageKind.LINE, str(number).encode())
        self._send_waiting(keeper)

    def _ended(self, keeper: KeeperRecord, pid: int, code: int) -> None:
        """A keeper was reaped."""
        log.debug("keeper process %d ended with code %d", pid, code)
        if keeper.pid == pid:
            self._lose(keeper)

    def _ask_later(self) -> None:
        if self._report_alarm is not None:
            self._report_alarm.cancel()
        handler = Handler(HandlerName.KEEPER_REPORT, self._ask)
        self._report_alarm = self._poller.call_later(REPORT_SECONDS, handler)

    def _ask(self) -> None:
        """Ask for reports; who has not answered since the last time hangs."""
        for keeper in self.all:
            self.receive(keeper)
            if keeper.is_overdue or (keeper.channel is not None and not keeper.ask()):
                self._lose(keeper)
        if self._records:
            self._ask_later()
