"""sendfile and sock_sendfile: files that the kernel sends by itself.

Rules. os.sendfile() is tried first and waits for the write event only if the socket takes no more;
what is sent in a turn has a limit, so that others get theirs. What the kernel cannot
send (a pipe, a file without a descriptor, or the first call fails) raises
SendfileNotAvailableError, upon which asyncio's own fallback reads and writes. However it ends, the
file's position is behind what was sent. What BaseEventLoop checks and says stays its own.

sendfile() comes from `posix` for the reason that aio/unixsockets.py gives.
"""

import asyncio
import contextlib
import errno
import io
import os
import socket
import stat
from asyncio.exceptions import SendfileNotAvailableError
from collections.abc import Awaitable, Callable
from posix import sendfile
from typing import Any

# What one call may send: the kernel's own limit, 2 GiB less a page (sendfile(2)).
MAX_BYTES = 0x7FFFF000

# What is sent in a turn, and a call more, to a socket that takes it all.
TURN_BYTES = 1 << 20


class FileSending:
    """The hooks of BaseEventLoop.sendfile() and sock_sendfile()."""

    async def _sendfile_native(
        self: Any, transport: Any, file: Any, offset: int, count: int | None
    ) -> int:
        """Send a file over a stream transport, which reads and writes nothing meanwhile."""
        self._check_sendfile_params(transport.get_extra_info("socket"), file, offset, count)
        source = _regular_file(file)
        all_written = transport._make_empty_waiter()
        resume_reading = transport.is_reading()
        transport.pause_reading()
        try:
            await all_written
            return await _send(
                lambda: transport._sock_fd, source, offset, count, transport._wait_writable
            )
        finally:
            transport._reset_empty_waiter()
            if resume_reading:
                transport.resume_reading()

    async def _sock_sendfile_native(
        self: Any, sock: socket.socket, file: Any, offset: int, count: int | None
    ) -> int:
        """Send a file over the user's non-blocking socket."""
        return await _send(
            sock.fileno,
            _regular_file(file),
            offset,
            count,
            lambda: self._until_writable(sock),
        )

    async def _until_writable(self: Any, sock: socket.socket) -> None:
        fd = sock.fileno()
        self._ensure_fd_no_transport(fd)
        future = self.create_future()
        handle = self._add_writer(fd, _complete, future)
        try:
            await future
        finally:
            if not handle.cancelled():  # a successor has taken the place of ours
                self._remove_writer(fd)


def _complete(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _regular_file(file: Any) -> int:
    """Return the descriptor of a file that the kernel can send from."""
    try:
        fd = file.fileno()
        is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
    except (AttributeError, io.UnsupportedOperation, OSError) as exc:
        raise SendfileNotAvailableError("not a regular file") from exc
    if not is_regular:
        raise SendfileNotAvailableError("not a regular file")
    return int(fd)


async def _send(
    target_fd: Callable[[], int],
    source_fd: int,
    offset: int,
    count: int | None,
    until_writable: Callable[[], Awaitable[None]],
) -> int:
    """Send count bytes, or up to the file's end; return how many.

    The file is then positioned behind them, even if there were none, as in newer asyncio.

    Args:
        target_fd: tells the socket's fd, -1 once it is closed.
        until_writable: waits until the socket takes more.
    """
    sent = 0
    turn_end = TURN_BYTES
    try:
        while count is None or sent < count:
            size = MAX_BYTES if count is None else min(count - sent, MAX_BYTES)
            target = target_fd()
            try:
                last_sent = sendfile(target, source_fd, offset + sent, size)
            except (BlockingIOError, InterruptedError):
                await until_writable()
                turn_end = sent + TURN_BYTES
                continue
            except OSError as exc:
                raise _failure(exc, target, sent) from exc
            if last_sent == 0:
                break
            sent += last_sent
            if sent >= turn_end and sent != count:
                await asyncio.sleep(0)
                turn_end = sent + TURN_BYTES
    except BaseException:
        with contextlib.suppress(OSError):  # the file may have been closed meanwhile
            os.lseek(source_fd, offset + sent, os.SEEK_SET)
        raise
    os.lseek(source_fd, offset + sent, os.SEEK_SET)
    return sent


def _failure(exc: OSError, target: int, sent: int) -> Exception:
    """Return what a failed call means to the caller."""
    if sent == 0:
        return SendfileNotAvailableError("os.sendfile call failed")
    if exc.errno == errno.ENOTCONN or target < 0:  # closed meanwhile, by the peer or by us
        return ConnectionError("socket is not connected", errno.ENOTCONN)
    return exc
