"""What a test must not leave behind: open file descriptors, and memory."""

import gc
import os
import sys
from pathlib import Path

import pytest

FD_FOLDER = Path("/proc/self/fd")

# With PYTHONMALLOC=malloc, which the sanitizers need, CPython counts no blocks of memory.
needs_block_count = pytest.mark.skipif(
    sys.getallocatedblocks() == 0, reason="this allocator does not count its blocks"
)


def open_fds() -> dict[int, str]:
    """Return every open file descriptor of this process with what it points to.

    The descriptor that lists the folder is gone before its link is read, and is left out.
    """
    found = {}
    for name in os.listdir(FD_FOLDER):
        try:
            found[int(name)] = os.readlink(FD_FOLDER / name)
        except FileNotFoundError:
            continue
    return found


def fds_opened_since(before: dict[int, str]) -> list[str]:
    """Name the descriptors that are open now and were not, or pointed elsewhere, at `before`.

    Cycles are collected first: asyncio's transports and protocols form them, and close their
    sockets when they go.
    """
    gc.collect()
    return [
        f"fd {fd} -> {target}"
        for fd, target in sorted(open_fds().items())
        if before.get(fd) != target
    ]
