"""Messages between the master and its children: each kind, with the form that it must have.

Rule. A message is not trusted: the application of a worker can write to any descriptor. FORMS has
for each kind the sender, the size and pattern of the payload, and the number of descriptors.
"""

import dataclasses
import enum
import json
import math
import re
import socket
from collections.abc import Callable, Mapping

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.process.closing import close_fds

MESSAGE_BYTES = 64 * 1024  # the largest message; below the least send buffer a kernel gives
MESSAGE_FDS = 64  # the most descriptors in one that fits its form
REQUEST_BYTES = 2048  # the largest message about a shared socket: an address, escaped as JSON
PID_MAX = 2**22  # the highest process id: PID_MAX_LIMIT, include/linux/threads.h


class MessageKind(enum.IntEnum):
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
FORMS: Mapping[MessageKind, Form] = {
    MessageKind.READY: Form(_CHILD, 32, re.compile(rb"[a-z_-]*").fullmatch),
    MessageKind.DRAINING: Form(Speaker.WORKER, 0, _is_empty),
    MessageKind.FAILED: Form(_CHILD, MESSAGE_BYTES - 1, _is_error),
    MessageKind.SPAWNED: Form(Speaker.ZYGOTE, 7, _is_pid),
    MessageKind.MAX_REQUESTS_REACHED: Form(Speaker.WORKER, 0, _is_empty),
    MessageKind.BIND: Form(Speaker.BIND_CLIENT, REQUEST_BYTES, _is_json, range(2, 3)),
    MessageKind.RELEASE: Form(Speaker.BIND_CLIENT, REQUEST_BYTES, _is_json),
    MessageKind.KEEP: Form(
        Speaker.BIND_CLIENT | Speaker.OLD_KEEPER, REQUEST_BYTES, _is_json, range(1, 2)
    ),
    MessageKind.KEPT: Form(Speaker.KEEPER, REQUEST_BYTES, _is_json),
    MessageKind.DROPPED: Form(Speaker.KEEPER, 18, _is_number),
    MessageKind.MALFORMED: Form(Speaker.KEEPER, REQUEST_BYTES, _is_json),
    MessageKind.REPORTED: Form(Speaker.KEEPER, 0, _is_empty),
    MessageKind.UNACCEPTED: Form(Speaker.KEEPER, 0, _is_empty),
    MessageKind.BOUND: Form(Speaker.WORKER, REQUEST_BYTES, bytes.decode),
    MessageKind.ASK_LINE: Form(Speaker.WORKER, 0, _is_empty),
    MessageKind.DRAIN: Form(Speaker.MASTER, 32, _is_seconds),
    MessageKind.STOP: Form(Speaker.MASTER, 0, _is_empty),
    MessageKind.ACCEPT: Form(Speaker.MASTER, 0, _is_empty),
    MessageKind.LOOK: Form(Speaker.MASTER, 0, _is_empty),
    MessageKind.URGE: Form(Speaker.MASTER, 0, _is_empty),
    MessageKind.BEGIN: Form(Speaker.MASTER, 0, _is_empty),
    MessageKind.SPAWN: Form(Speaker.MASTER, 4096, _is_json, range(2, MESSAGE_FDS + 1), False),
    MessageKind.REOPEN: Form(Speaker.MASTER, 0, _is_empty),
    MessageKind.LINE: Form(Speaker.MASTER, REQUEST_BYTES, _is_json, range(1, 2)),
    MessageKind.HANG_UP: Form(Speaker.MASTER, 18, _is_number),
    MessageKind.DROP_OLDER: Form(Speaker.MASTER, 18, _is_number),
    MessageKind.REPORT: Form(Speaker.MASTER, 0, _is_empty),
    MessageKind.HAND_OVER: Form(Speaker.MASTER, 0, _is_empty, range(1, 2)),
    MessageKind.END: Form(Speaker.MASTER | Speaker.OLD_KEEPER, 1, re.compile(rb"l?").fullmatch),
}


@dataclasses.dataclass(frozen=True)
class Message:
    """One message as it was received."""

    kind: MessageKind
    payload: bytes = b""
    fds: tuple[int, ...] = ()  # OWNS: the receiver closes them

    def discard(self) -> None:
        """Close the descriptors of a message that is not used."""
        close_fds(self.fds)


def descriptor_fault(form: Form, fds: tuple[int, ...]) -> str:
    """Return what is wrong with the descriptors of a message, "" if nothing is."""
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


def payload_fault(form: Form, packet: bytes) -> str:
    """Return what is wrong with the payload of a packet, "" if nothing is."""
    if len(packet) - 1 > form.max_bytes:
        return f"{len(packet) - 1} bytes"
    try:
        fits = bool(form.matches(packet[1:]))
    except (ValueError, RecursionError):  # a payload of nothing but opening brackets nests deeply
        fits = False
    return "" if fits else "a malformed payload"
