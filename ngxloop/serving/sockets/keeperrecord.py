"""One keeper as its master sees it: what it has said, its orders, and the lines of the workers.

Orders go out in portions. The queue of a channel has room for some 280 messages, and a master with
hundreds of workers has more to send in one turn: a line for each when a keeper was replaced, and a
HANG_UP for each that ends. A keeper that has just been forked has read none of them by then. So
after PORTION orders comes a REPORT, and those behind it wait for REPORTED.
"""

import collections
import dataclasses
import json
import time
from collections.abc import Callable, Sequence

from ngxloop.serving.base.plaintext import one_line
from ngxloop.serving.base.timing import BACKOFF_LIMIT_SECONDS, BACKOFF_SECONDS, YOUNG_SECONDS
from ngxloop.serving.config.config import Config
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.process.message import Message, MessageKind
from ngxloop.serving.process.privileges import Identity
from ngxloop.serving.sockets.keeperlimits import PORTION, REPORT_SECONDS, SHARED_SOCKETS
from ngxloop.serving.sockets.requester import Requester


@dataclasses.dataclass(frozen=True)
class Kept:
    """A socket that a keeper has, as it says."""

    address: str
    queue: int | None = None  # connections that wait to be accepted
    limit: int | None = None
    is_shut: bool = False  # it has listened, and does not any more: a worker has shut it down


@dataclasses.dataclass(eq=False)
class Line:
    """The line of one worker."""

    requester: Requester
    give: Callable[[int, int], object]  # called with the number and the worker's end of another one
    on_malformed: Callable[[int, str], object]  # called with the number, and what was sent
    is_begun: bool  # its worker has got an end, or has asked for one


class KeeperRecord:
    """One keeper, which is another process after each death."""

    def __init__(self, config: Config) -> None:
        self.config = config  # of the newest generation; the next process is forked for it
        self.pid: int = 0
        self.channel: Channel | None = None  # None: it has died, or was told to end
        self.lines: dict[int, Line] = {}
        self.kept: dict[int, Kept] = {}
        self._asked_at: float | None = None  # monotonic; for a report that has not come yet
        self._unread_count = 0  # orders since the last report, at most
        self._waiting: collections.deque[tuple[MessageKind, bytes]] = collections.deque()
        self.is_lost: bool = False  # it is forked again later
        self._has_unaccepted = False  # a connection, see take_unaccepted()
        self._started_at = 0.0  # monotonic
        self._early_exits = 0  # of processes in a row that died soon after the fork

    @property
    def user(self) -> Identity | None:
        """The user that it has become; None for that of the master."""
        return self.config.start_plan.identity

    @property
    def is_unused(self) -> bool:
        """Say whether no worker has a line, and it keeps nothing."""
        return not self.lines and not self.kept

    def begin(self, pid: int, channel: Channel) -> None:
        """Take in a new process."""
        self.pid, self.channel = pid, channel
        self.is_lost = False
        self._asked_at = None
        self._unread_count = 0
        self._waiting.clear()
        self._started_at = time.monotonic()

    def end(self) -> None:
        """Forget a process that has died."""
        self.kept.clear()
        self._waiting.clear()
        self.is_lost = True
        is_young = time.monotonic() - self._started_at < YOUNG_SECONDS
        self._early_exits = self._early_exits + 1 if is_young else 0

    @property
    def delay(self) -> float:
        """How long to wait before the next process: not at all, then longer each time."""
        if self._early_exits <= 1:
            return 0.0
        return float(
            min(BACKOFF_SECONDS * 2 ** min(self._early_exits - 2, 30), BACKOFF_LIMIT_SECONDS)
        )

    # Orders ------------------------------------------------------------------------------------

    def send(self, kind: MessageKind, payload: bytes = b"", fds: Sequence[int] = ()) -> bool:
        """Send one message; False if it is gone or does not read."""
        if self.channel is None or not self.channel.send(kind, payload, fds):
            return False
        self._unread_count += 1
        return self.has_room or self.ask()

    def ask(self) -> bool:
        """Ask for a report, unless one is to come; False if the keeper is gone or does not read."""
        if self._asked_at is not None:
            return True
        if self.channel is None or not self.channel.send(MessageKind.REPORT):
            return False
        self._asked_at = time.monotonic()
        return True

    @property
    def is_overdue(self) -> bool:
        """Say whether it has been asked long ago, and has not answered."""
        return self._asked_at is not None and time.monotonic() - self._asked_at >= REPORT_SECONDS

    @property
    def has_room(self) -> bool:
        """Say whether an order may be sent now."""
        return self._unread_count < PORTION

    def keep_order(self, kind: MessageKind, payload: bytes) -> None:
        """Let an order wait behind the others; that of a LINE has its number only."""
        self._waiting.append((kind, payload))

    def take_order(self) -> tuple[MessageKind, bytes] | None:
        """Return the next order that may be sent now."""
        return self._waiting.popleft() if self._waiting and self.has_room else None

    def put_back(self, kind: MessageKind, payload: bytes) -> None:
        """Let an order that could not be sent be the next one."""
        self._waiting.appendleft((kind, payload))

    # What it says ------------------------------------------------------------------------------

    def receive(self, limit: int) -> int:
        """Note what has arrived; return how many messages these were."""
        channel, count = self.channel, 0
        assert channel is not None
        for message in channel.messages(limit):
            count += 1
            if not self.note(message):
                channel.refuse(f"an invalid {message.kind.name}")
        return count

    def note(self, message: Message) -> bool:
        """Take in a message; False if a keeper does not send such a one."""
        if message.kind is MessageKind.KEPT:
            return self._note_kept(message.payload)
        if message.kind is MessageKind.DROPPED:
            return self.kept.pop(int(message.payload), None) is not None
        if message.kind is MessageKind.MALFORMED:
            return self._note_malformed(message.payload)
        if message.kind is MessageKind.UNACCEPTED:
            self._has_unaccepted = True
            return True
        self._asked_at = None
        self._unread_count = 0
        return True

    def take_unaccepted(self) -> bool:
        """Say whether it has seen, since the last call, a connection that no worker takes.

        However often it says so in a turn of the master, the workers are urged once.
        """
        has_unaccepted, self._has_unaccepted = self._has_unaccepted, False
        return has_unaccepted

    # Private -----------------------------------------------------------------------------------

    def _note_kept(self, payload: bytes) -> bool:
        match json.loads(payload):
            case [
                int(number),
                str(address),
                int() | None as queue,
                int() | None as limit,
                bool(shut),
            ]:
                if number not in self.kept and len(self.kept) >= SHARED_SOCKETS:
                    return False
                self.kept[number] = Kept(one_line(address), queue, limit, shut)
                return True
        return False

    def _note_malformed(self, payload: bytes) -> bool:
        match json.loads(payload):
            case [int(number), str(fault)]:
                line = self.lines.get(number)
                if line is not None:
                    line.on_malformed(number, f"it has sent {one_line(fault)}")
                return True
        return False
