"""The line between the master and one worker: small messages, and an end of file when one dies.

A SOCK_SEQPACKET pair keeps message boundaries, so a message is one send and one receive: there is
nothing to reassemble and no half message. The first byte is the kind, the rest the payload, whose
meaning the kind decides (never pickle). nginx: ngx_channel.c, which sends a struct the same way.

Rule: an end that is left open in a third process hides the end of file. Every worker closes, right
after the fork, the master's ends of all channels.
"""

import dataclasses
import enum
import socket

MESSAGE_BYTES = 64 * 1024  # the largest message; below the least send buffer a kernel gives


class Kind(enum.IntEnum):
    """What a message means. Below 64: from a worker to the master. Above: the other way."""

    READY = 1  # serving; the payload names the interface
    DRAINING = 2  # no longer accepting
    FAILED = 3  # could not start; the payload is a packed StartError
    DRAIN = 64  # finish what you have, then exit
    STOP = 65  # exit now


@dataclasses.dataclass(frozen=True)
class Message:
    """One message as it was received."""

    kind: Kind
    payload: bytes


class Channel:
    """One end of the line; close-on-exec and nonblocking."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.is_open = True  # False once the other end is known to be gone

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""
        return self._sock.fileno()

    def send(self, kind: Kind, payload: bytes = b"") -> bool:
        """Send one message; False if the other end is gone or its queue is full."""
        try:
            self._sock.send(bytes([kind]) + payload)
        except OSError:  # EPIPE, ECONNRESET, EAGAIN: the caller has a signal to fall back on
            return False
        return True

    def receive(self) -> list[Message]:
        """Return all messages that have arrived; is_open turns False at the end of file."""
        messages = []
        while (packet := self._receive_packet()) is not None:
            messages.append(Message(Kind(packet[0]), packet[1:]))
        return messages

    def close(self) -> None:
        """Close this end; the other one reads the end of file."""
        self.is_open = False
        self._sock.close()

    def _receive_packet(self) -> bytes | None:
        if not self.is_open:
            return None
        try:
            packet = self._sock.recv(MESSAGE_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:  # reset: the other end died with messages of ours unread
            packet = b""
        self.is_open = packet != b""
        return packet or None


def channel_pair() -> tuple[Channel, Channel]:
    """Return the master's end and the worker's end."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return Channel(ends[0]), Channel(ends[1])
