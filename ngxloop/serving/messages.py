"""Messages of the workers to the master: each is checked, then handed to the action of its kind.

Rule. A message that fits its form (channel.py) can still be wrong: it comes at the wrong time, or
says what the configuration rules out. Then its sender is expelled, as after a malformed message.
"""

import errno
import functools
import time
from collections.abc import Callable
from typing import Protocol

from ngxloop.serving.badmessage import BadMessageError
from ngxloop.serving.channel import Channel, Kind, Message
from ngxloop.serving.errors import StartError
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.options.application import PROGRAM_INTERFACES, possible_interfaces
from ngxloop.serving.places import Place
from ngxloop.serving.poller import Handler, Poller
from ngxloop.serving.states import Event, State

MessageAction = Callable[[Place, Message], None]
_MESSAGES_PER_TURN = 16  # of one worker: other workers and signals are served in between
_LAST_MESSAGES = 1024  # of a dead worker; a queue holds net.unix.max_dgram_qlen


class Listener(Protocol):
    """Receives what workers report."""

    def worker_ready(self, place: Place) -> None:
        """The worker serves."""

    def worker_leaves(self, place: Place) -> None:
        """The worker drains without an order: it was sent a TERM of its own."""

    def worker_silent(self, place: Place) -> None:
        """The worker has stopped accepting."""


class Messages:
    """The channels of all workers, and the action for each kind of message.

    Args:
        listener: Receives what changes the state of a worker.
        poller: Watches the channels.
        expel: Ends the worker of a place for a reason.
        close_line: Ends a line to the keeper: its worker serves an application.
    """

    def __init__(
        self,
        listener: Listener,
        poller: Poller,
        expel: Callable[[Place, str], None],
        close_line: Callable[[int], None],
    ) -> None:
        self.malformed_count: int = 0  # workers that were replaced for what they sent
        self._listener = listener
        self._poller = poller
        self._expel = expel
        self._close_line = close_line
        self._actions: dict[Kind, MessageAction] = {
            Kind.READY: self._on_ready,
            Kind.DRAINING: self._on_draining,
            Kind.FAILED: self._on_failed,
            Kind.LENT: self._on_lent,
        }

    def set_action(self, kind: Kind, action: MessageAction) -> None:
        """Call the action for every message of this kind; it owns the message's descriptors."""
        self._actions[kind] = action

    def watch(self, place: Place, channel: Channel) -> None:
        """Receive messages of the worker of a place.

        Raises:
            OSError: The poller has no room for its channel.
        """
        handler = Handler(
            HandlerName.WORKER_CHANNEL,
            functools.partial(self._receive, place),
            lambda: self._expel(place, "one of its messages could not be handled"),
            place,
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

    def receive_last(self, place: Place) -> None:
        """Act on what a worker has sent before it ended."""
        receive = functools.partial(self._receive, place, _LAST_MESSAGES)
        self._poller.call(Handler(HandlerName.WORKER_CHANNEL, receive, subject=place))

    # Private -----------------------------------------------------------------------------------

    def _receive(self, place: Place, limit: int = _MESSAGES_PER_TURN) -> None:
        channel = place.channel
        if channel is None or not channel.is_open:
            return
        for message in channel.messages(limit):
            if fault := place.order_fault(message.kind):
                message.discard()
                channel.refuse(fault)
            else:
                self._act(channel, place, message)
        self._note_lost_messages(place, channel)
        if channel.fault:
            self.malformed_count += 1
            self._expel(place, f"it has sent {channel.fault}")
        elif not channel.is_open:
            self.end(channel)

    def _note_lost_messages(self, place: Place, channel: Channel) -> None:
        if channel.take_lost_count():
            error = OSError(errno.EMFILE, "no descriptor is free for those of a message")
            self._poller.failures.note(HandlerName.LOST_MESSAGE, error, place)

    def _act(self, channel: Channel, place: Place, message: Message) -> None:
        try:
            self._actions[message.kind](place, message)
        except BadMessageError as error:  # its descriptors are closed
            channel.refuse(str(error))

    def _on_ready(self, place: Place, message: Message) -> None:
        interface = message.payload.decode()
        config = place.generation.config
        possible = possible_interfaces(config.app, config.interface)
        if interface not in possible:  # the master loads libraries for it, see libraries.py
            raise BadMessageError(
                f"READY with interface {interface!r}, not {' or '.join(possible)}"
            )
        if place.advance(Event.READY):
            place.deadline = None
            place.ready_at = time.monotonic()
            place.interface = interface
            if interface not in PROGRAM_INTERFACES:
                self._close_line(place.line)
            self._listener.worker_ready(place)
        elif place.state is State.DRAINING:  # it was told to before we knew that it served
            place.limit_drain()

    def _on_draining(self, place: Place, message: Message) -> None:
        if place.advance(Event.DRAIN):  # else it was ordered to
            place.begin_drain()
            place.limit_drain()
            self._listener.worker_leaves(place)
        place.is_accepting = False
        self._listener.worker_silent(place)

    def _on_failed(self, place: Place, message: Message) -> None:
        place.failure = StartError.unpack(message.payload)

    def _on_lent(self, place: Place, message: Message) -> None:
        if not place.generation.note_lent(message.payload.decode()):
            raise BadMessageError("LENT with an address that was not given with --bind")
