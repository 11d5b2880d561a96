"""send_file(): a file that the kernel sends by itself; the loop's sendfile() methods call it.

Rules. os.sendfile() is tried first and waits for the write event only if the socket takes no more.
The bytes sent in one turn are limited, so that other connections get their share. What the kernel
cannot send (a pipe, a file without a descriptor, or a first call that fails) raises
SendfileNotAvailableError, upon which asyncio's own fallback reads and writes. Whatever the outcome,
the file's position is behind the last byte sent.

sendfile() is imported from `posix` for the reason that aio/transports.py gives.
"""

import asyncio
import contextlib
import errno
import io
import os
import stat
from asyncio.exceptions import SendfileNotAvailableError
from collections.abc import Awaitable, Callable
from posix import sendfile
from typing import Any

# The most that one call sends: the kernel's own limit, 2 GiB less a page (sendfile(2)).
MAX_BYTES = 0x7FFFF000

# What is sent in a turn, plus one call, to a socket that takes it all.
TURN_BYTES = 1 << 20


def regular_file(file: Any) -> int:
    """Return the descriptor of a file that the kernel can send from.

    Raises:
        SendfileNotAvailableError: there is none, or it is not a regular file.
    """
    try:
        fd = file.fileno()
        is_regular = stat.S_ISREG(os.fstat(fd).st_mode)
    except (AttributeError, io.UnsupportedOperation, OSError) as exc:
        raise SendfileNotAvailableError("not a regular file") from exc
    if not is_regular:
        raise SendfileNotAvailableError("not a regular file")
    return int(fd)


async def send_file(
    target_fd: Callable[[], int],
    source_fd: int,
    offset: int,
    count: int | None,
    until_writable: Callable[[], Awaitable[None]],
) -> int:
    """Send count bytes, or up to the file's end; return how many were sent.

    The file is then positioned behind them, even if there were none, as in newer asyncio.

    Args:
        target_fd: returns the socket's fd, -1 once it is closed.
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
