"""Pipes and pseudo-terminals with a transport at one end."""

import asyncio
import io
import os
import pty
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.protocols import RecordingProtocol


def file_of(fd: int, mode: str) -> io.FileIO:
    """Return a file object that owns an fd, for the transport that will own it."""
    return io.FileIO(fd, mode)


def reader_of(fd: int) -> io.FileIO:
    """Return a file object that reads an fd, for connect_read_pipe."""
    return file_of(fd, "rb")


def writer_of(fd: int) -> io.FileIO:
    """Return a file object that writes an fd, for connect_write_pipe."""
    return file_of(fd, "wb")


async def connect_reader(fd, factory=RecordingProtocol):
    """Return the transport and protocol that read an fd."""
    return await asyncio.get_running_loop().connect_read_pipe(factory, reader_of(fd))


async def connect_writer(fd, factory=RecordingProtocol):
    """Return the transport and protocol that write an fd."""
    return await asyncio.get_running_loop().connect_write_pipe(factory, writer_of(fd))


@contextmanager
def fds(*numbers: int) -> Iterator[tuple[int, ...]]:
    """Give fds and close, at the end, those that nobody has closed yet."""
    inodes = {fd: os.fstat(fd).st_ino for fd in numbers}
    try:
        yield numbers
    finally:
        for fd, inode in inodes.items():
            with suppress(OSError):
                if os.fstat(fd).st_ino == inode:
                    os.close(fd)


def pipe():
    """Give the fds (read end, write end) of a pipe."""
    return fds(*os.pipe())


def terminal():
    """Give the fds (master, slave) of a pseudo-terminal that passes bytes on as they are."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    return fds(master, slave)


def fill(fd: int) -> int:
    """Write zeros to a non-blocking fd until it takes no more; return how many."""
    count = 0
    with suppress(BlockingIOError):
        while True:
            count += os.write(fd, bytes(65536))
    return count


def drain(fd: int) -> int:
    """Read a non-blocking fd until nothing is left; return how many bytes there were."""
    count = 0
    with suppress(BlockingIOError):
        while data := os.read(fd, 1 << 20):
            count += len(data)
    return count
