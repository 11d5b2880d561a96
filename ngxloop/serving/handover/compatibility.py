"""Executed between two masters at an upgrade: gives an older release what it understands.

The successor may be a release that has no keeper (keeper.py) and expects the sockets of programs
themselves among what it inherits. Only it knows; so the old master first executes this text, with
the interpreter and the paths of the new one. It imports the new release, looks, and receives the
sockets from the old keeper if they are needed; then it executes the new program.

Rule. This file stands alone: it runs beside any release of ngxloop. The process has the rights of
the new master, so it never closes what it has received, and waits for a limited time.
"""

import array
import importlib
import json
import os
import select
import socket
import sys
import time

VARIABLE = "_NGXLOOP_INHERITED"
KEEP, END = 8, 76  # message.MessageKind
SECONDS = 5.0
SIZE = 64 * 1024


def main() -> None:
    """Execute the program that the arguments name, with what it is to inherit."""
    fields = json.loads(os.environ[VARIABLE])
    if not knows_keepers():
        fields["sockets"] = translate(fields["sockets"])
        os.environ[VARIABLE] = json.dumps(fields)
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])


def knows_keepers() -> bool:
    """Say whether the release that is to run has a keeper; one that cannot run says so itself."""
    for name in (
        "ngxloop.serving.sockets.inherited",
        "ngxloop.serving.sockets.inheritance",
        "ngxloop.serving.inheritance",
    ):
        try:
            found = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        except Exception:
            return True
        return getattr(found, "FORMAT", 1) > 1
    return True


def translate(sockets: list[list[object]]) -> list[list[object]]:
    """Return what is inherited, with the sockets in the place of the lines to keepers."""
    deadline = time.monotonic() + SECONDS
    found = [one for one in sockets if one[0] != "keeper"]
    for kind, _, fd in sockets:
        if kind == "keeper" and isinstance(fd, int):
            found += receive(socket.socket(fileno=fd), deadline)
    return found


def receive(line: socket.socket, deadline: float) -> list[list[object]]:
    """Return what a keeper sends, until its end or the deadline."""
    found: list[list[object]] = []
    poll = select.poll()
    poll.register(line, select.POLLIN)
    while poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        data, control, _, _ = line.recvmsg(SIZE, socket.CMSG_SPACE(4 * 4))
        if data[:1] != bytes([KEEP]):
            break
        fds = array.array("i")
        for _, _, content in control:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
        os.set_inheritable(fds[0], True)
        found.append(["shared", data[1:].decode(), fds[0]])
    line.detach()
    return found


if __name__ == "__main__":
    main()
