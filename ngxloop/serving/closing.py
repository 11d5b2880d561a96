"""Close sockets that another process shares, without waiting for it.

close() of the last descriptor of a connected socket waits until its data is acknowledged, up to the
time in SO_LINGER, even if the socket is nonblocking (inet_release() of net/ipv4/af_inet.c). Every
process that has a copy can set that option, and can connect a socket that was bound or that
listened. Descriptors in the queue of a Unix socket are closed together with it.

Rules. 1. The master closes with these functions what a worker or a client has, or has sent.
2. A queue in which descriptors may wait is emptied before its socket is closed, and read only with
room for all of them: the kernel closes those that do not fit.
3. The master's sockets refuse descriptors, where the kernel can: close() of a file can wait, too,
on a FUSE file system until its server answers, which may be never (fuse_flush() of fs/fuse/file.c).
Before Linux 6.16 a worker that may mount one can hang the master.
"""

import array
import contextlib
import os
import socket
import struct
from collections.abc import Iterable

_SO_PASSRIGHTS = 83  # Linux 6.16; include/uapi/asm-generic/socket.h
_PASSED_FDS = 253  # the most descriptors in one message: SCM_MAX_FD, include/net/scm.h
_NO_LINGER = struct.pack("ii", 0, 0)
_CREDENTIALS_BYTES = struct.calcsize("iII")  # struct ucred, unix(7)
_CONTROL_BYTES = socket.CMSG_SPACE(_CREDENTIALS_BYTES) + socket.CMSG_LEN(
    _PASSED_FDS * array.array("i").itemsize
)
_DATA_BYTES = 4096  # of a message that is discarded
_QUEUED_MESSAGES = 4096  # net.unix.max_dgram_qlen is 10 to 512; a stream has some hundred
_NESTING = 8  # sockets in the queues of sockets; Linux before 6.10 allows 4


def refuse_descriptors(sock: socket.socket) -> None:
    """Let the sender of descriptors to a Unix socket get EPERM; nothing changes before Linux 6.16.

    What a listening socket accepts refuses them, too.
    """
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS, 0)


def close_socket(sock: socket.socket) -> None:
    """Close a socket; the kernel goes on sending its data."""
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    with contextlib.suppress(OSError):
        sock.close()


def close_with_queue(sock: socket.socket, depth: int = 0) -> None:
    """Close a socket and, if it is a Unix socket, the descriptors that wait in its queue.

    Other processes that have a copy can receive nothing more.
    """
    if sock.family == socket.AF_UNIX and depth < _NESTING:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RD)
        with contextlib.suppress(OSError):
            _empty(sock, depth)
    close_socket(sock)


def close_fds(fds: Iterable[int], depth: int = 0) -> None:
    """Close descriptors of any kind, and what waits in their queues."""
    for fd in fds:
        try:
            sock = socket.socket(fileno=fd)
        except OSError:  # not a socket
            with contextlib.suppress(OSError):
                os.close(fd)
        else:
            close_with_queue(sock, depth)


def receive_with_fds(sock: socket.socket, size: int) -> tuple[bytes, tuple[int, ...], int]:
    """Receive one message with all its descriptors; return data, descriptors and flags.

    Raises:
        OSError: See recvmsg(2). MSG_CTRUNC in the flags: this process could open no more.
    """
    # Not socket.recv_fds(), which leaves its flags out: a program that is started now would inherit
    # the descriptors.
    data, control, flags, _ = sock.recvmsg(size, _CONTROL_BYTES, socket.MSG_CMSG_CLOEXEC)
    return data, _passed_fds(control), flags


# Private -----------------------------------------------------------------------------------------


def _empty(sock: socket.socket, depth: int) -> None:
    """Receive, or accept, what waits in the queue of a Unix socket, and close it."""
    sock.setblocking(False)
    if sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        for _ in range(_QUEUED_MESSAGES):
            close_with_queue(sock.accept()[0], depth + 1)
    # A message without bytes then has credentials, which the end of file has not.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    is_stream = sock.type == socket.SOCK_STREAM
    for _ in range(_QUEUED_MESSAGES):
        data, control, _, _ = sock.recvmsg(_DATA_BYTES, _CONTROL_BYTES, socket.MSG_CMSG_CLOEXEC)
        close_fds(_passed_fds(control), depth + 1)
        if not data and (is_stream or not control):
            return


def _passed_fds(control: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    fds = array.array("i")
    for level, kind, content in control:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    return tuple(fds)
