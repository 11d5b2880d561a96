"""The wakeup_fds of a scoreboard, seen from outside: eventfds, in the order of the slots."""

import os
import sys

from ngxloop.core.scoreboard import Scoreboard


def board_and_wakeup_fds(slot_count: int) -> tuple[Scoreboard, list[int]]:
    """Make a board; return it and its wakeup_fds."""
    before = eventfds()
    board = Scoreboard(slot_count)
    board.open_wakeup_fds(slot_count)
    return board, sorted(eventfds() - before)


def was_woken(fd: int) -> bool:
    """Return whether an eventfd was written to since the last look."""
    try:
        return int.from_bytes(os.read(fd, 8), sys.byteorder) > 0
    except BlockingIOError:
        return False


def eventfds() -> set[int]:
    """Return the eventfds of this process."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        path = f"/proc/self/fd/{fd}"
        if os.path.lexists(path) and "[eventfd]" in os.readlink(path):
            found.add(int(fd))
    return found
