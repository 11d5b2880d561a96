"""The line between the master and one child: small messages, and an end of file when one dies.

A SOCK_SEQPACKET pair keeps message boundaries, so a message is one send and one receive: there is
nothing to reassemble and no half message. The first byte is the kind, the rest the payload, whose
meaning the kind decides (never pickle). A message can carry descriptors. nginx: ngx_channel.c,
which sends a struct the same way.

Rules.
1. An end that is left open in a third process hides the end of file. Every worker closes, right
   after the fork, the master's ends of all channels.
2. A message is not trusted, see message.py. After the first one that does not fit its form, nothing
   more is received, `fault` says why, and its descriptors are closed. Of a sender that never sends
   descriptors none is received at all.
"""

import fcntl
import math
import select
import socket
import sys
import termios
import time
from collections.abc import Iterator, Sequence

from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.closing import (
    close_fds,
    close_unreceived,
    close_with_queue,
    receive_data,
    receive_with_fds,
    refuse_descriptors,
)
from ngxloop.serving.process.message import (
    FORMS,
    MESSAGE_BYTES,
    Message,
    MessageKind,
    Speaker,
    descriptor_fault,
    payload_fault,
)

_SEND_AGAIN_MS = 10  # between two attempts to send into a full queue


class Channel:
    """One end of the line; close-on-exec and nonblocking."""

    def __init__(self, sock: socket.socket, speaker: Speaker = Speaker.WORKER) -> None:
        """Take over a connected socket.

        Args:
            sock: A SOCK_SEQPACKET one.
            speaker: The process at the other end.
        """
        self._sock = sock
        self._speaker = speaker
        self._may_get_fds = any(
            speaker in form.speaker and form.fd_counts.stop > 1 for form in FORMS.values()
        )
        self.is_open: bool = True  # False once the other end is known to be gone, or at a fault
        self.fault: str = ""  # why a message was refused
        self._lost_count = 0  # messages that were dropped: no descriptor was free for theirs

    @classmethod
    def of(cls, fd: int, speaker: Speaker = Speaker.MASTER) -> "Channel":
        """Take over an end that came in a message."""
        return cls(socket.socket(fileno=fd), speaker)

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""
        return self._sock.fileno()

    def send(self, kind: MessageKind, payload: bytes = b"", fds: Sequence[int] = ()) -> bool:
        """Send one message; False if the other end is gone or its queue is full.

        Args:
            kind: What it means.
            payload: What the kind says, below MESSAGE_BYTES.
            fds: Descriptors to pass on, at most MESSAGE_FDS; the caller keeps and closes its own.
        """
        try:
            socket.send_fds(self._sock, [bytes([kind]) + payload], fds)
        except OSError:  # EPIPE, ECONNRESET, EAGAIN: the caller has a signal to fall back on
            return False
        return True

    def has_unread(self) -> bool:
        """Say whether the other end has still to receive something that was sent."""
        return has_unread(self._sock)

    def send_surely(
        self,
        kind: MessageKind,
        payload: bytes = b"",
        fds: Sequence[int] = (),
        seconds: float = math.inf,
    ) -> bool:
        """Send one message; wait while the queue is full. False if the other end is gone.

        Args:
            kind: See send().
            payload: See send().
            fds: See send().
            seconds: The longest to wait; False then.
        """
        if self._sock.fileno() < 0:
            return False
        poll = select.poll()
        poll.register(self._sock, select.POLLOUT)
        deadline = time.monotonic() + seconds
        while not self.send(kind, payload, fds):
            if time.monotonic() >= deadline:
                return False
            # Not for ever: too many descriptors under way (ETOOMANYREFS) is no event of the socket.
            if any(events & select.POLLHUP for _, events in poll.poll(_SEND_AGAIN_MS)):
                return False
            time.sleep(_SEND_AGAIN_MS / 1000)
        return True

    def wait_for_message(self) -> bool:
        """Wait until there is a message to receive; False if the other end is closed instead."""
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return all(not events & select.POLLHUP for _, events in poll.poll())

    def receive(self) -> list[Message]:
        """Return what has arrived; is_open turns False at the end of file and at a fault."""
        return list(self.messages())

    def messages(self, limit: int = sys.maxsize) -> Iterator[Message]:
        """Yield what has arrived, each message received when it is asked for.

        Args:
            limit: The most messages to receive now: a sender may never stop.
        """
        for _ in range(limit):
            message = self._receive_one() if self.is_open else None
            if message is None:
                return
            yield message

    def take_lost_count(self) -> int:
        """Return how many messages were dropped since the last call, for want of descriptors."""
        count, self._lost_count = self._lost_count, 0
        return count

    def refuse(self, fault: str) -> None:
        """Receive nothing more, for what has been received."""
        self.is_open = False
        self.fault = fault

    def close(self) -> None:
        """Close this end; the other one reads the end of file when no copy is left."""
        self.is_open = False
        self._sock.close()

    def end(self) -> None:
        """Close the master's end, and what the child has sent last; not a copy in a fork."""
        self.is_open = False
        if self._sock.fileno() >= 0:
            (close_with_queue if self._may_get_fds else close_unreceived)(self._sock)

    # Private -----------------------------------------------------------------------------------

    def _receive_one(self) -> Message | None:
        """Return the next message that is whole and fits its form."""
        try:
            packet, fds, flags = self._receive_packet()
        except BlockingIOError:
            return None
        except ConnectionError:  # reset: the other end died with messages of ours unread
            self.is_open = False
            return None
        if flags & socket.MSG_CTRUNC and not self._may_get_fds:
            self.refuse("descriptors, which it never sends")
            return None
        if flags & socket.MSG_CTRUNC:  # no descriptor was free
            close_fds(fds)
            self._lost_count += 1
            return None
        if not packet and not fds and self._is_at_end():
            self.is_open = False
            return None
        return self._check(packet, fds, flags)

    def _receive_packet(self) -> tuple[bytes, tuple[int, ...], int]:
        if self._may_get_fds:
            return receive_with_fds(self._sock, MESSAGE_BYTES)
        packet, flags = receive_data(self._sock, MESSAGE_BYTES)
        return packet, (), flags

    def _check(self, packet: bytes, fds: tuple[int, ...], flags: int) -> Message | None:
        fault = self._check_kind_and_form(packet, fds, flags)
        if not fault:
            return Message(MessageKind(packet[0]), packet[1:], fds)
        close_fds(fds)
        self.refuse(fault)
        if self._speaker is Speaker.MASTER:
            log.error("invalid message from the master: %s", fault)
        return None

    def _check_kind_and_form(self, packet: bytes, fds: tuple[int, ...], flags: int) -> str:
        """Return what is wrong with a packet, "" if it is a message of its sender."""
        if not packet:
            return "an empty packet"
        if flags & socket.MSG_TRUNC:
            return f"a packet of more than {MESSAGE_BYTES} bytes"
        if packet[0] not in FORMS:
            return f"the unknown kind {packet[0]}"
        kind = MessageKind(packet[0])
        if self._speaker not in FORMS[kind].speaker:
            return f"{kind.name}, which it never sends"
        fault = descriptor_fault(FORMS[kind], fds) or payload_fault(FORMS[kind], packet)
        return f"{kind.name} with {fault}" if fault else ""

    def _is_at_end(self) -> bool:
        """Say whether no bytes mean the end of file: an empty packet reads like it."""
        poll = select.poll()
        poll.register(self._sock, select.POLLRDHUP)
        return bool(poll.poll(0))


def has_unread(sock: socket.socket) -> bool:
    """Say whether the other end of a Unix socket has still to receive something that was sent."""
    try:
        count = fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4))  # SIOCOUTQ, unix(7)
    except (OSError, ValueError):  # it is closed
        return False
    return any(count)


def receive_fds(sock: socket.socket, size: int) -> tuple[bytes, tuple[int, ...]]:
    """Receive one message and its descriptors, which are the caller's to close."""
    packet, fds, _ = receive_with_fds(sock, size)
    return packet, fds


def channel_pair(child: Speaker = Speaker.WORKER) -> tuple[Channel, Channel]:
    """Return the master's end and the child's end."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    if child is not Speaker.BIND_CLIENT:  # messages of the others to the master have none
        refuse_descriptors(ends[0])
    return Channel(ends[0], child), Channel(ends[1], Speaker.MASTER)
