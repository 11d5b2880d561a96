"""Close sockets that another process shares, without waiting for it.

close() of the last descriptor of a connected socket waits until its data is acknowledged, up to the
time in SO_LINGER, even if the socket is nonblocking (inet_release() of net/ipv4/af_inet.c). Every
process that has a copy can set that option, and can connect a socket that was bound or that
listened. Descriptors in the queue of a Unix socket are closed together with it.

Closing a file can wait, too: on a FUSE file system until its server answers, which may be never
(fuse_flush() of fs/fuse/file.c). The kernel asks that server when a descriptor is closed, but not
when a message is discarded that a descriptor came with, since no process has received that.

Rules.
1. The master closes with these functions what a worker or a client has, or has sent.
2. No message of a worker, of the process that preloads, of a keeper or of the status process has
   descriptors. Its end refuses them (Linux 6.16), and the master receives no message that has some
   (receive_data). What is still in the queue at the end is discarded by a child that ends at once
   (close_unreceived): the kernel does not apply SO_LINGER in a process that ends (PF_EXITING in
   inet_release()). So the master never waits, whatever was sent.
3. In the keeper and the workers, which receive descriptors, a queue in which some may wait is
   emptied before its socket is closed, and read only with room for all of them: the kernel closes
   those that do not fit. A keeper that hangs in a close() is replaced.
"""

import array
import contextlib
import os
import select
import signal
import socket
import struct
from collections.abc import Iterable

from ngxloop.serving.process.children import disown
from ngxloop.serving.process.signals import signals_blocked

_SO_PASSRIGHTS = 83  # Linux 6.16; include/uapi/asm-generic/socket.h
_PASSED_FDS = 253  # the most descriptors in one message: SCM_MAX_FD, include/net/scm.h
_NO_LINGER = struct.pack("ii", 0, 0)
_CREDENTIALS_BYTES = struct.calcsize("iII")  # struct ucred, unix(7)
_CONTROL_BYTES = socket.CMSG_SPACE(_CREDENTIALS_BYTES) + socket.CMSG_LEN(
    _PASSED_FDS * array.array("i").itemsize
)
_DATA_BYTES = 4096  # of a message that is discarded
_QUEUED_MESSAGES = 4096  # net.unix.max_dgram_qlen is 10 to 512; a stream has some hundred
_CREDENTIALS_ONLY = socket.CMSG_SPACE(_CREDENTIALS_BYTES)
_CHILD_SECONDS = 1.0  # for the end of a child that does nothing; longer if it was stopped
_NESTING = 8  # sockets in the queues of sockets; Linux before 6.10 allows 4


def refuse_descriptors(sock: socket.socket) -> None:
    """Let the sender of descriptors to a Unix socket get EPERM; nothing changes before Linux 6.16.

    What a listening socket accepts refuses them, too.
    """
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, _SO_PASSRIGHTS, 0)


def receive_data(sock: socket.socket, size: int) -> tuple[bytes, int]:
    """Receive one message; return data and flags.

    MSG_CTRUNC in the flags: it has descriptors; nothing was received, and nothing ever will be.

    Raises:
        OSError: See recvmsg(2).
    """
    flags = sock.recvmsg(1, 0, socket.MSG_PEEK)[2]  # no descriptor is made for what is peeked at
    if flags & socket.MSG_CTRUNC:
        return b"", flags
    data, _, flags, _ = sock.recvmsg(size)
    return data, flags


def close_unreceived(sock: socket.socket) -> None:
    """Close a Unix socket without having received what is in its queue.

    Other processes that have a copy can receive nothing more.
    """
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RD)
    _end_children()
    if _is_queue_empty(sock):
        sock.close()
    else:
        _unclosed.append(sock)
        for one in list(_unclosed):
            with contextlib.suppress(OSError):  # there can be no process now: at the next call
                _close_in_child(one)
                _unclosed.remove(one)


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

_unclosed: list[socket.socket] = []  # OWNS: no child could be forked for these
_children: list[int] = []  # OWNS: pidfds of those that had not ended in time


def _is_queue_empty(sock: socket.socket) -> bool:
    """Say whether nothing is to be received; a message without bytes has credentials, too."""
    sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # else a receive reports that first
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    peek = socket.MSG_PEEK | socket.MSG_DONTWAIT
    try:
        data, control, flags, _ = sock.recvmsg(1, _CREDENTIALS_ONLY, peek)
    except BlockingIOError:
        return True
    return not data and not control and not flags & socket.MSG_CTRUNC


def _close_in_child(sock: socket.socket) -> None:
    """Close a socket, of which a child that ends then has the last copy.

    Raises:
        OSError: The child could not be forked; nothing has changed.
    """
    read_fd, write_fd = os.pipe2(os.O_CLOEXEC)
    try:
        # A signal must not reach the child: its handlers, and the pipe of those, are the master's.
        with signals_blocked():
            pid = os.fork()
            if pid == 0:
                os.close(write_fd)
                os.read(read_fd, 1)  # until the master has closed its copy
                os._exit(0)
            disown(pid)
            _children.append(_open_pidfd(pid))
            sock.close()
    finally:
        os.close(read_fd)
        os.close(write_fd)
    _end_children(_CHILD_SECONDS)


def _open_pidfd(pid: int) -> int:
    try:
        return os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)  # at once, as we have a copy of all that it has
        os.waitpid(pid, 0)
        raise


def _end_children(seconds: float = 0) -> None:
    """Reap the children that have ended; wait a moment for the last one."""
    if _children and seconds:
        poll = select.poll()
        poll.register(_children[-1], select.POLLIN)
        poll.poll(seconds * 1000)
    for fd in list(_children):
        try:
            has_ended = os.waitid(os.P_PIDFD, fd, os.WEXITED | os.WNOHANG) is not None
        except ChildProcessError:  # it was reaped with the strays
            has_ended = True
        if has_ended:
            _children.remove(fd)
            os.close(fd)


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
