"""Messages of the workers to the master: each is checked, then handed to the action of its kind.

Rule. A message that fits its form (message.py) can still be wrong: it comes at the wrong time, or
says what the configuration rules out. Then its sender is evicted, as after a malformed message.
"""

import errno
import functools
from collections.abc import Callable

from ngxloop.serving.base.badmessage import BadMessageError
from ngxloop.serving.base.errors import StartError
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.timing import GROUP_SIGNAL_SECONDS
from ngxloop.serving.fleet import events
from ngxloop.serving.fleet.workerprocess import WorkerProcess
from ngxloop.serving.options.application import PROGRAM_INTERFACES, possible_interfaces
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.process.message import Message, MessageKind
from ngxloop.serving.process.poller import Handler, Poller

MessageAction = Callable[[WorkerProcess, Message], None]
_MESSAGES_PER_TURN = 16  # of one worker: other workers and signals are served in between
_LAST_MESSAGES = 1024  # of a dead worker; a queue holds net.unix.max_dgram_qlen


class Messages:
    """The channels of all workers, and the action for each kind of message.

    Args:
        tell: Takes what changes the state of a worker, as an event.
        poller: Watches the channels.
        close_line: Ends a line to the keeper: its worker serves an application, or is evicted.
        begin_line: Connects a line to the keeper, of which the worker has no end yet.
    """

    def __init__(
        self,
        tell: Callable[[events.Event], None],
        poller: Poller,
        close_line: Callable[[int], None],
        begin_line: Callable[[int], None],
    ) -> None:
        self.malformed_count: int = 0  # workers that were replaced for what they sent
        self._tell = tell
        self._poller = poller
        self._close_line = close_line
        self._actions: dict[MessageKind, MessageAction] = {
            MessageKind.READY: self._on_ready,
            MessageKind.DRAINING: self._on_draining,
            MessageKind.FAILED: self._on_failed,
            MessageKind.MAX_REQUESTS_REACHED: self._on_max_requests_reached,
            MessageKind.BOUND: self._on_bound,
            MessageKind.ASK_LINE: lambda process, message: begin_line(process.line),
        }

    def watch(self, process: WorkerProcess, channel: Channel) -> None:
        """Receive messages of a worker.

        Raises:
            OSError: The poller has no room for its channel.
        """
        handler = Handler(
            HandlerName.WORKER_CHANNEL,
            functools.partial(self._receive, process),
            lambda: self.evict(process, "one of its messages could not be handled"),
            process,
        )
        self._poller.add(channel.fileno(), handler)

    def ignore(self, channel: Channel) -> None:
        """Receive nothing more; the worker still gets its orders."""
        self._poller.remove(channel.fileno())
        channel.is_open = False

    def end(self, channel: Channel) -> None:
        """Close the master's end of a channel."""
        self._poller.remove(channel.fileno())
        channel.end()

    def receive_last(self, process: WorkerProcess) -> None:
        """Act on what a worker has sent before it ended."""
        receive = functools.partial(self._receive, process, _LAST_MESSAGES)
        self._poller.call(Handler(HandlerName.WORKER_CHANNEL, receive, subject=process))

    # Private -----------------------------------------------------------------------------------

    def _receive(self, process: WorkerProcess, limit: int = _MESSAGES_PER_TURN) -> None:
        channel = process.channel
        if channel is None or not channel.is_open:
            return
        for message in channel.messages(limit):
            if fault := process.order_fault(message.kind):
                message.discard()
                channel.refuse(fault)
            else:
                self._act(channel, process, message)
        self._note_lost_messages(process, channel)
        if channel.fault:
            self.malformed_count += 1
            self.evict(process, f"it has sent {channel.fault}")
        elif not channel.is_open:
            self.end(channel)

    def evict(self, process: WorkerProcess, reason: str) -> None:
        """Have a worker ended; its messages are ignored from now on, it still gets its orders."""
        if process.channel is not None:
            self.ignore(process.channel)
        self._close_line(process.line)
        self._tell(events.Malformed(process.id, reason))

    def _note_lost_messages(self, process: WorkerProcess, channel: Channel) -> None:
        if channel.take_lost_count():
            error = OSError(errno.EMFILE, "no descriptor is free for those of a message")
            self._poller.failures.note(HandlerName.LOST_MESSAGE, error, process)

    def _act(self, channel: Channel, process: WorkerProcess, message: Message) -> None:
        try:
            self._actions[message.kind](process, message)
        except BadMessageError as error:  # its descriptors are closed
            channel.refuse(str(error))

    def _on_ready(self, process: WorkerProcess, message: Message) -> None:
        interface = message.payload.decode()
        config = process.service.config
        possible = possible_interfaces(config.app, config.interface)
        if interface not in possible:  # the master loads libraries for it, see libraries.py
            raise BadMessageError(
                f"READY with interface {interface!r}, not {' or '.join(possible)}"
            )
        process.interface = process.service.interface = interface
        if interface not in PROGRAM_INTERFACES:
            self._close_line(process.line)
        self._tell(events.Ready(process.id))

    def _on_draining(self, process: WorkerProcess, message: Message) -> None:
        if not process.is_told:
            self._poller.look_first(GROUP_SIGNAL_SECONDS)
        self._tell(events.Draining(process.id))

    def _on_failed(self, process: WorkerProcess, message: Message) -> None:
        self._tell(events.Failed(process.id, StartError.unpack(message.payload)))

    def _on_max_requests_reached(self, process: WorkerProcess, message: Message) -> None:
        if not process.service.config.max_requests:
            raise BadMessageError("MAX_REQUESTS_REACHED without --max-requests")
        self._tell(events.MaxRequestsReached(process.id))

    def _on_bound(self, process: WorkerProcess, message: Message) -> None:
        if not process.service.note_bound(message.payload.decode()):
            raise BadMessageError("BOUND with an address that was not given with --bind")
