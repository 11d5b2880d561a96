"""The line between the master and one child: small messages, and an end of file when one dies.

A SOCK_SEQPACKET pair keeps message boundaries, so a message is one send and one receive: there is
nothing to reassemble and no half message. The first byte is the kind, the rest the payload, whose
meaning the kind decides (never pickle). A message can carry descriptors. nginx: ngx_channel.c,
which sends a struct the same way.

Rules.
1. An end that is left open in a third process hides the end of file. Every worker closes, right
   after the fork, the master's ends of all channels.
2. A message is not trusted: the application of a worker can write to any descriptor. FORMS has for
   each kind the sender, the size and pattern of the payload, and the number of descriptors. After
   the first message that does not fit, nothing more is received, `fault` says why, and its
   descriptors are closed. Of a sender that never sends descriptors none is received at all.
"""

import dataclasses
import enum
import fcntl
import json
import math
import re
import select
import socket
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.closing import (
    close_fds,
    close_unreceived,
    close_with_queue,
    receive_data,
    receive_with_fds,
    refuse_descriptors,
)

MESSAGE_BYTES = 64 * 1024  # the largest message; below the least send buffer a kernel gives
MESSAGE_FDS = 64  # the most descriptors in one that fits its form
REQUEST_BYTES = 2048  # the largest message about a shared socket: an address, escaped as JSON
_SEND_AGAIN_MS = 10  # between two attempts to send into a full queue
PID_MAX = 2**22  # the highest process id: PID_MAX_LIMIT, include/linux/threads.h


class Kind(enum.IntEnum):
    """What a message means. Below 64: from a worker to the master. Above: the other way.

    KEEP and END keep their numbers: at an upgrade the keepers of two releases exchange them.
    """

    READY = 1  # serving; the payload names the interface
    DRAINING = 2  # no longer accepting
    FAILED = 3  # could not start; the payload is a packed StartError
    MAX_REQUESTS_REACHED = 4  # has served as many requests as it may, and wants to be replaced
    SPAWNED = 5  # from a zygote: the process id of a worker, 0 if it could not fork
    BIND = 6  # to the keeper: the program binds a socket; see sharedsockets.py
    RELEASE = 7  # to the keeper: the program has closed such a socket
    KEEP = 8  # to the keeper: such a socket is open here; keep it from now on
    KEPT = 9  # from the keeper: the number, address and queue of a socket
    DROPPED = 10  # from the keeper: it has closed the socket of that number
    MALFORMED = 11  # from the keeper: the number of a line, and what was wrong with a message there
    REPORTED = 12  # from the keeper: the answer to REPORT is complete
    UNACCEPTED = 13  # from the keeper: a connection waits at one of its sockets, not accepted
    BOUND = 14  # the program has bound an address of --bind
    ASK_LINE = 15  # the program binds a socket, and has no line to the keeper yet
    DRAIN = 64  # finish what you have, then exit; the payload is the time for it in seconds
    STOP = 65  # exit now
    REOPEN = 66  # open the log files again: they were renamed
    ACCEPT = 67  # take every connection that waits: nobody will accept after this worker
    LOOK = 68  # look again whether a connection waits; every order means this, too
    URGE = 69  # a connection waits that no worker takes: take it
    SPAWN = 70  # to a zygote: fork a worker for this channel; see preload.py
    BEGIN = 71  # to a worker of a zygote: you have been handed over to the master
    LINE = 72  # a line between a worker and the keeper; to both of them
    HANG_UP = 73  # to the keeper: the worker of that line has ended, or may ask no more
    DROP_OLDER = 74  # to the keeper: close what no worker of that generation or later has asked for
    REPORT = 75  # to the keeper: send KEPT for what has changed, then REPORTED
    END = 76  # to the keeper: exit, and leave the socket files if the payload is not empty
    HAND_OVER = 77  # to the keeper: send every socket to the keeper at the other end of this


class Speaker(enum.Flag):
    """The process at the other end of a channel."""

    MASTER = enum.auto()
    WORKER = enum.auto()
    ZYGOTE = enum.auto()
    KEEPER = enum.auto()
    BIND_CLIENT = enum.auto()  # a worker, at its line to the keeper
    OLD_KEEPER = enum.auto()  # the keeper of the master before, at the line of HAND_OVER


@dataclasses.dataclass(frozen=True)
class Form:
    """What a message of one kind looks like."""

    speaker: Speaker
    max_bytes: int = 0
    matches: Callable[[bytes], object] = bool  # a false value or a ValueError: it does not
    fd_counts: range = range(1)  # how many descriptors may come with it
    has_sockets_only: bool = True  # each of them is a socket


def _is_empty(payload: bytes) -> bool:
    return not payload


def _is_seconds(payload: bytes) -> bool:
    return not payload or 0 <= float(payload) < math.inf


def _is_json(payload: bytes) -> bool:
    json.loads(payload.decode())
    return True


def _is_pid(payload: bytes) -> bool:
    return re.fullmatch(rb"0|[1-9][0-9]*", payload) is not None and int(payload) <= PID_MAX


def _is_number(payload: bytes) -> bool:
    return re.fullmatch(rb"[0-9]{1,18}", payload) is not None


def _is_error(payload: bytes) -> bool:
    return StartError.unpack(payload).code is not ExitCode.OK


_CHILD = Speaker.WORKER | Speaker.ZYGOTE
FORMS: Mapping[Kind, Form] = {
    Kind.READY: Form(_CHILD, 32, re.compile(rb"[a-z_-]*").fullmatch),
    Kind.DRAINING: Form(Speaker.WORKER, 0, _is_empty),
    Kind.FAILED: Form(_CHILD, MESSAGE_BYTES - 1, _is_error),
    Kind.SPAWNED: Form(Speaker.ZYGOTE, 7, _is_pid),
    Kind.MAX_REQUESTS_REACHED: Form(Speaker.WORKER, 0, _is_empty),
    Kind.BIND: Form(Speaker.BIND_CLIENT, REQUEST_BYTES, _is_json, range(2, 3)),
    Kind.RELEASE: Form(Speaker.BIND_CLIENT, REQUEST_BYTES, _is_json),
    Kind.KEEP: Form(Speaker.BIND_CLIENT | Speaker.OLD_KEEPER, REQUEST_BYTES, _is_json, range(1, 2)),
    Kind.KEPT: Form(Speaker.KEEPER, REQUEST_BYTES, _is_json),
    Kind.DROPPED: Form(Speaker.KEEPER, 18, _is_number),
    Kind.MALFORMED: Form(Speaker.KEEPER, REQUEST_BYTES, _is_json),
    Kind.REPORTED: Form(Speaker.KEEPER, 0, _is_empty),
    Kind.UNACCEPTED: Form(Speaker.KEEPER, 0, _is_empty),
    Kind.BOUND: Form(Speaker.WORKER, REQUEST_BYTES, bytes.decode),
    Kind.ASK_LINE: Form(Speaker.WORKER, 0, _is_empty),
    Kind.DRAIN: Form(Speaker.MASTER, 32, _is_seconds),
    Kind.STOP: Form(Speaker.MASTER, 0, _is_empty),
    Kind.ACCEPT: Form(Speaker.MASTER, 0, _is_empty),
    Kind.LOOK: Form(Speaker.MASTER, 0, _is_empty),
    Kind.URGE: Form(Speaker.MASTER, 0, _is_empty),
    Kind.BEGIN: Form(Speaker.MASTER, 0, _is_empty),
    Kind.SPAWN: Form(Speaker.MASTER, 4096, _is_json, range(2, MESSAGE_FDS + 1), False),
    Kind.REOPEN: Form(Speaker.MASTER, 0, _is_empty),
    Kind.LINE: Form(Speaker.MASTER, REQUEST_BYTES, _is_json, range(1, 2)),
    Kind.HANG_UP: Form(Speaker.MASTER, 18, _is_number),
    Kind.DROP_OLDER: Form(Speaker.MASTER, 18, _is_number),
    Kind.REPORT: Form(Speaker.MASTER, 0, _is_empty),
    Kind.HAND_OVER: Form(Speaker.MASTER, 0, _is_empty, range(1, 2)),
    Kind.END: Form(Speaker.MASTER | Speaker.OLD_KEEPER, 1, re.compile(rb"l?").fullmatch),
}


@dataclasses.dataclass(frozen=True)
class Message:
    """One message as it was received."""

    kind: Kind
    payload: bytes = b""
    fds: tuple[int, ...] = ()  # OWNS: the receiver closes them

    def discard(self) -> None:
        """Close the descriptors of a message that is not used."""
        close_fds(self.fds)


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

    def has_unread(self) -> bool:
        """Say whether the other end has still to receive something that was sent."""
        return has_unread(self._sock)

    def send_surely(
        self, kind: Kind, payload: bytes = b"", fds: Sequence[int] = (), seconds: float = math.inf
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
        fault = self._find_fault(packet, fds, flags)
        if not fault:
            return Message(Kind(packet[0]), packet[1:], fds)
        close_fds(fds)
        self.refuse(fault)
        if self._speaker is Speaker.MASTER:
            log.error("invalid message from the master: %s", fault)
        return None

    def _find_fault(self, packet: bytes, fds: tuple[int, ...], flags: int) -> str:
        """Return what is wrong with a packet, "" if it is a message of its sender."""
        if not packet:
            return "an empty packet"
        if flags & socket.MSG_TRUNC:
            return f"a packet of more than {MESSAGE_BYTES} bytes"
        if packet[0] not in FORMS:
            return f"the unknown kind {packet[0]}"
        kind = Kind(packet[0])
        if self._speaker not in FORMS[kind].speaker:
            return f"{kind.name}, which it never sends"
        fault = _descriptor_fault(FORMS[kind], fds) or _payload_fault(FORMS[kind], packet)
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
    if (
        child is not Speaker.BIND_CLIENT
    ):  # the keeper has that end; no message to the master has any
        refuse_descriptors(ends[0])
    return Channel(ends[0], child), Channel(ends[1], Speaker.MASTER)


def _descriptor_fault(form: Form, fds: tuple[int, ...]) -> str:
    if len(fds) not in form.fd_counts:
        return "the wrong number of descriptors"
    if form.has_sockets_only and not all(map(_is_socket, fds)):
        return "a descriptor that is not a socket"
    return ""


def _is_socket(fd: int) -> bool:
    """Detect a socket by a call that is for sockets only: stat() of a file may wait for FUSE."""
    try:
        socket.socket(fileno=fd).detach()
    except OSError:
        return False
    return True


def _payload_fault(form: Form, packet: bytes) -> str:
    if len(packet) - 1 > form.max_bytes:
        return f"{len(packet) - 1} bytes"
    try:
        fits = bool(form.matches(packet[1:]))
    except (ValueError, RecursionError):  # a payload of nothing but opening brackets nests deeply
        fits = False
    return "" if fits else "a malformed payload"
