"""Workers that do to their channel what a client asks for: a program (main), and an application.

A request is a line of JSON, {"do": NAME, ...}; so is the answer.
"""

import asyncio
import collections
import contextlib
import ctypes
import functools
import json
import os
import random
import socket
import stat

from ngxloop.serving.process.message import MessageKind


class Hostile(asyncio.Protocol):
    """Do what a line says, answer and close."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        request = json.loads(data)
        outcome = ACTIONS[request.pop("do")](**request)
        self.transport.write(json.dumps({"pid": os.getpid(), "outcome": outcome}).encode() + b"\n")
        self.transport.close()


async def main():
    sock = socket.socket()
    sock.bind((b"127.0.0.1", 0))  # bytes need no codec, which this user may not be able to import
    server = await asyncio.get_running_loop().create_server(Hostile, sock=sock)
    await server.serve_forever()


def ask_master(payload, kind=(socket.AF_INET, socket.SOCK_STREAM, 0)):
    """Send a request to bind; return the answer, as text."""
    line_fd()  # before there are others that look like it
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs, socket.socket(*kind) as sock:
            send_keeper(MessageKind.BIND, payload, theirs.fileno(), sock.fileno())
        ours.settimeout(30)
        return ours.recv(64).decode()


def flood(payloads):
    """Send requests one after the other; return how often there was which answer."""
    return dict(collections.Counter(map(ask_master, payloads)))


def flood_ports(count):
    """Ask for a number of free ports."""
    return flood(json.dumps([2, 1, ["127.0.0.1", 0], 1000 + number]) for number in range(count))


def bind_and_release(count):
    """Have ports shared and give each back, one after the other; return the answers."""
    payload = json.dumps([2, 1, ["127.0.0.1", 0], 1000])
    answers = collections.Counter()
    for _ in range(count):
        answers[ask_master(payload)] += 1
        send_keeper(MessageKind.RELEASE, payload)
    return dict(answers)


def send_raw(kind, payload):
    """Send a message without descriptors to the keeper, or to the master if there is none."""
    send_keeper(kind, payload)


def ask_and_die(payload):
    """Send a request to bind, and end before the answer."""
    line_fd()
    _, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock = socket.socket()
    send_keeper(MessageKind.BIND, payload, theirs.fileno(), sock.fileno())
    os._exit(3)


def bind(path):
    """Bind a Unix socket as any program does; it stays open."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.bind(path)
    except OSError as error:
        return error.errno
    kept.append(sock)
    return 0


def fill_wakeup_fds():
    """Let every process wait that writes to a wakeup_fd of the scoreboard, and end."""
    for fd in wakeup_fds():
        with contextlib.suppress(BlockingIOError):  # it was not written to yet
            os.eventfd_read(fd)
        os.eventfd_write(fd, 2**64 - 2)
        os.set_blocking(fd, True)
    os._exit(3)


def wakeup_fds():
    """Return all eventfds of this process."""
    folder = "/proc/self/fd"
    names = [name for name in os.listdir(folder) if os.path.lexists(f"{folder}/{name}")]
    return [int(name) for name in names if "[eventfd]" in os.readlink(f"{folder}/{name}")]


def leave():
    """Say that this worker drains, and end."""
    send(2, "")
    os._exit(0)


def scribble():
    """Write random bytes over the scoreboard, and end."""
    with open("/proc/self/maps") as file:
        lines = [line.split() for line in file if "rw-s" in line and "/dev/zero" in line]
    for line in lines:
        start, end = (int(one, 16) for one in line[0].split("-"))
        garbage = random.Random(1).randbytes(end - start)
        ctypes.memmove(start, garbage, len(garbage))
    os._exit(3)


def shut_listeners():
    """Shut down the sockets that all workers accept from."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(name))) as sock:
            if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                sock.shutdown(socket.SHUT_RDWR)
                count += 1
    return count


ACTIONS = {
    "scribble": scribble,
    "shut_listeners": shut_listeners,
    "leave": leave,
    "fill_wakeup_fds": fill_wakeup_fds,
    "ask": ask_master,
    "flood": flood,
    "flood_ports": flood_ports,
    "bind_and_release": bind_and_release,
    "send": send_raw,
    "ask_and_die": ask_and_die,
    "bind": bind,
}
kept = []


def send(kind, payload, *fds):
    with socket.socket(fileno=os.dup(channel_fd())) as channel:
        socket.send_fds(channel, [bytes([kind]) + payload.encode("latin-1")], fds)


def send_keeper(kind, payload, *fds):
    with socket.socket(fileno=os.dup(line_fd())) as line:
        socket.send_fds(line, [bytes([kind]) + payload.encode("latin-1")], fds)


@functools.cache
def channel_fd():
    """Return the line to the master: the master opens it last."""
    return packet_sockets()[-1]


@functools.cache
def line_fd():
    """Return the line to the keeper; the one to the master if there is no other."""
    return packet_sockets()[0]


def packet_sockets():
    """Return all SOCK_SEQPACKET of this process, the oldest first."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as sock:
                if (sock.family, sock.type) == (socket.AF_UNIX, socket.SOCK_SEQPACKET):
                    found.append(int(name))
    return sorted(found)
