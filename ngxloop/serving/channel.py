"""The line between the master and one worker: small messages, and an end of file when one dies.

A SOCK_SEQPACKET pair keeps message boundaries, so a message is one send and one receive: there is
nothing to reassemble and no half message. The first byte is the kind, the rest the payload, whose
meaning the kind decides (never pickle). A message can carry descriptors. nginx: ngx_channel.c,
which sends a struct the same way.

Rule: an end that is left open in a third process hides the end of file. Every worker closes, right
after the fork, the master's ends of all channels.
"""

import array
import dataclasses
import enum
import os
import socket
from collections.abc import Sequence

from ngxloop.serving.logs import log

MESSAGE_BYTES = 64 * 1024  # the largest message; below the least send buffer a kernel gives
MESSAGE_FDS = 64  # the most descriptors in one; the kernel takes 253 (SCM_MAX_FD)
_CONTROL_BYTES = socket.CMSG_LEN(MESSAGE_FDS * array.array("i").itemsize)


class Kind(enum.IntEnum):
    """What a message means. Below 64: from a worker to the master. Above: the other way."""

    READY = 1  # serving; the payload names the interface
    DRAINING = 2  # no longer accepting
    FAILED = 3  # could not start; the payload is a packed StartError
    SPAWNED = 7  # from a zygote: the process id of a worker, 0 if it could not fork
    WORN = 4  # has served as many requests as it may, and wants to be replaced
    BIND = 5  # the program binds a socket; see sharing.py
    RELEASE = 6  # the program has closed such a socket
    DRAIN = 64  # finish what you have, then exit; the payload is the time for it in seconds
    STOP = 65  # exit now
    ACCEPT = 67  # take every connection that waits: nobody will accept after this worker
    SPAWN = 69  # to a zygote: fork a worker for this channel; see preload.py
    REOPEN = 66  # open the log files again: they were renamed


@dataclasses.dataclass(frozen=True)
class Message:
    """One message as it was received."""

    kind: Kind
    payload: bytes = b""
    fds: tuple[int, ...] = ()  # OWNS: whoever takes the message closes them

    def discard(self) -> None:
        """Close the descriptors of a message that nobody wants."""
        for fd in self.fds:
            os.close(fd)


class Channel:
    """One end of the line; close-on-exec and nonblocking."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.is_open: bool = True  # False once the other end is known to be gone

    @classmethod
    def of(cls, fd: int) -> "Channel":
        """Take over an end that came in a message."""
        return cls(socket.socket(fileno=fd))

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""
        return self._sock.fileno()

    def send(self, kind: Kind, payload: bytes = b"", fds: Sequence[int] = ()) -> bool:
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

    def receive(self) -> list[Message]:
        """Return all messages that have arrived; is_open turns False at the end of file."""
        messages = []
        while (message := self._receive_one()) is not None:
            messages.append(message)
        return messages

    def close(self) -> None:
        """Close this end; the other one reads the end of file."""
        self.is_open = False
        self._sock.close()

    def _receive_one(self) -> Message | None:
        packet, fds = self._receive_packet()
        if not packet:
            return None
        try:
            return Message(Kind(packet[0]), packet[1:], fds)
        except ValueError:  # the application has written to a descriptor that is not its own
            log.error("a message of the unknown kind %d; its channel is closed", packet[0])
            Message(Kind.STOP, fds=fds).discard()
            self.is_open = False
            return None

    def _receive_packet(self) -> tuple[bytes, tuple[int, ...]]:
        if not self.is_open:
            return b"", ()
        try:
            packet, fds = receive_fds(self._sock, MESSAGE_BYTES)
        except BlockingIOError:
            return b"", ()
        except ConnectionError:  # reset: the other end died with messages of ours unread
            packet, fds = b"", ()
        self.is_open = packet != b""
        return packet, fds


def receive_fds(sock: socket.socket, size: int) -> tuple[bytes, tuple[int, ...]]:
    """Receive one message and its descriptors, which are the caller's to close."""
    # Not socket.recv_fds(), which leaves its flags out: a program that is started now would inherit
    # the descriptors.
    packet, control, _, _ = sock.recvmsg(size, _CONTROL_BYTES, socket.MSG_CMSG_CLOEXEC)
    return packet, _passed_fds(control)


def _passed_fds(control: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    fds = array.array("i")
    for level, kind, data in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return tuple(fds)


def channel_pair() -> tuple[Channel, Channel]:
    """Return the master's end and the worker's end."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setblocking(False)
    return Channel(ends[0]), Channel(ends[1])
