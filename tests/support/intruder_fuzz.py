"""What a hostile worker does at random: to its descriptors, its memory and its siblings.

It is imported by intruder.py, before the worker has become another user. Nothing here writes to the
streams: the log must be the master's.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import random
import resource
import signal
import socket
import stat
import time

STEPS = 60
_F_SETPIPE_SZ = 1031  # linux/fcntl.h
_TEXTS = (
    b"",
    b"0",
    b"1",
    b"-1",
    b"999999999999999999",
    b"asgi",
    b"protocol",
    b"script",
    b"main",
    b"[]",
    b"{}",
    b"null",
    b"[" * 5000,
    b'{"a":' * 3000,
    b"nan",
    b"inf",
    b"\x1b]0;title\x07\x1b[2J",
    b"\xff\xfe",
    b'[2, 1, ["127.0.0.1", 0], 5]',
    b'[2, 1, ["127.0.0.1", 1], null]',
    b'[1, 1, "/tmp/\\u001b[2Jx", null]',
    b'[1, 1, "\\u0000abstract", null]',
    b'[10, 1, ["::1", 0], 7]',
    b'{"code": 3, "line": "\\u001b[2J\\n\\rWARNING forged", "traceback": "\\u001b[2J"}',
    b"x" * 60_000,
)


def fuzz(seed):
    """Do some things at random; this worker may not survive it."""
    source = random.Random(seed)
    pids = _siblings()
    for _ in range(STEPS):
        action = source.choice(_ACTIONS)
        with contextlib.suppress(OSError, ValueError, OverflowError):
            action(source, pids)


def _siblings():
    """Return the other children of our master."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            if int(file.read().rpartition(b")")[2].split()[1]) == os.getppid():
                found.append(int(name))
    return [pid for pid in found if pid != os.getpid()]


def _descriptors():
    return [int(name) for name in os.listdir("/proc/self/fd") if int(name) > 2]


def _sockets():
    found = []
    for fd in _descriptors():
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                found.append(fd)
    return found


def _payload(source):
    payload = bytearray(source.choice(_TEXTS))
    for _ in range(source.choice([0, 0, 1, 5])):
        if payload:
            payload[source.randrange(len(payload))] = source.randrange(256)
    return bytes(payload)


def _send(source, _pids):
    """Send a message, perhaps with descriptors of several kinds."""
    with socket.socket(fileno=os.dup(source.choice(_sockets()))) as sock:
        sock.setblocking(False)
        kind = bytes([source.choice([*range(16), source.randrange(256)])])
        data = source.choice([kind + _payload(source), b"", source.randbytes(70_000)])
        fds = source.choices(_descriptors(), k=source.choice([0, 0, 0, 1, 2, 3, 253]))
        for _ in range(source.choice([1, 1, 20])):
            socket.send_fds(sock, [data], fds)


def _request_port(source, _pids):
    """Request a port from whoever is at the other end."""
    with socket.socket(fileno=os.dup(source.choice(_sockets()))) as line, socket.socket() as sock:
        line.setblocking(False)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            wanted = json.dumps([2, 1, ["127.0.0.1", 0], source.randrange(2000)]).encode()
            kind = source.choice([6, 6, 6, 7, 8])  # BIND, RELEASE, KEEP
            socket.send_fds(line, [bytes([kind]) + wanted], [theirs.fileno(), sock.fileno()])


def _listens(fd):
    with socket.socket(fileno=os.dup(fd)) as sock:
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))


def _shut_down(source, _pids):
    """Shut a connection down; what happens to listeners is tested by itself."""
    fd = source.choice([fd for fd in _sockets() if not _listens(fd)])
    with socket.socket(fileno=os.dup(fd)) as sock:
        sock.shutdown(source.choice([socket.SHUT_RD, socket.SHUT_WR, socket.SHUT_RDWR]))


def _close(source, _pids):
    os.close(source.choice(_descriptors()))


def _set_flags(source, _pids):
    """Change what belongs to the open file, which others may share: not that of a listener.

    One that blocks lets other workers hang.
    """
    fd = source.choice([fd for fd in _descriptors() if fd not in _sockets() or not _listens(fd)])
    flags = source.choice([0, os.O_NONBLOCK, os.O_ASYNC, os.O_APPEND])
    fcntl.fcntl(fd, fcntl.F_SETFL, flags)
    fcntl.fcntl(fd, _F_SETPIPE_SZ, 4096)


def _lock(source, _pids):
    fcntl.flock(source.choice(_descriptors()), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _write(source, _pids):
    """Fill a pipe or an eventfd."""
    fd = source.choice(_descriptors())
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.set_blocking(fd, False)
        os.write(fd, source.choice([b"\xff" * 7 + b"\xfe", b"\x1b[2J" * 5000, source.randbytes(8)]))


def _scribble(source, _pids):
    """Write over memory that other processes share."""
    with open("/proc/self/maps", encoding="ascii") as file:
        shared = [line.split()[0] for line in file if " rw-s " in line]
    start, end = (int(one, 16) for one in source.choice(shared).split("-"))
    where = source.randrange(start, end, 8)
    garbage = source.choice([b"\xff" * 8, bytes(8), source.randbytes(8)])
    ctypes.memmove(where, garbage * 64, min(512, end - where))


def _signal_siblings(source, pids):
    """Stop, or end, a process of our user: another worker, or the keeper."""
    pid = source.choice([*pids, os.getpid()])
    number = source.choice([signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGURG])
    if pid != os.getpid() or number is not signal.SIGSTOP:
        os.kill(pid, number)


def _limit_siblings(source, pids):
    for pid in pids:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (source.choice([5, 64]), 64))


def _fork(source, _pids):
    """Leave an orphan that has all that we have, for a moment."""
    if os.fork() == 0:
        if os.fork() == 0:
            time.sleep(source.choice([0.0, 0.5]))
        os._exit(source.randrange(256))
    os.wait()


def _block(_source, _pids):
    """Do not turn the loop for a while."""
    time.sleep(0.2)


def _end(source, _pids):
    os._exit(source.randrange(256))


_ACTIONS = (
    *(_send,) * 12,
    *(_request_port,) * 3,
    *(_write,) * 3,
    *(_scribble,) * 3,
    _shut_down,
    _close,
    _set_flags,
    _lock,
    _signal_siblings,
    _limit_siblings,
    _fork,
    _block,
    _end,
)
