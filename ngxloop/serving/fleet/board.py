"""How many workers there can be: slots of the scoreboard, which are made once, before the fork."""

import os

from ngxloop.core.gates import WAKING_MODES
from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.fleet.records import SLOTS_PER_WORKER
from ngxloop.serving.logs.logs import log

_LEAST_WORKERS_TO_SCALE_TO = 8
# The master's ends of its channel and of the pipe for its stacks, the same of its replacement in a
# reload, and two wakeup_fds.
_FDS_PER_WORKER = 6


def open_board(count: int) -> tuple[Scoreboard, int]:
    """Make what all workers share; return it, and to how many workers it can be scaled.

    Raises:
        StartError: There are too few descriptors, or there is no memory, for the workers.
    """
    most = max(_LEAST_WORKERS_TO_SCALE_TO, 2 * count)
    try:
        _try_descriptors(_FDS_PER_WORKER * count)
        return Scoreboard(SLOTS_PER_WORKER * most), most
    except OSError as error:
        raise StartError(
            ExitCode.NO_RESOURCES,
            f"cannot prepare {count} workers: {error.strerror}; "
            "raise the open file limit (ulimit -n), or lower --workers",
        ) from error


def open_wakeup_fds(board: Scoreboard, config: Config, count: int) -> None:
    """Open the wakeup_fds of this many workers, and of those that replace them at a reload.

    For processes that are forked from now on; those that have none look by themselves.
    """
    if count > 1 and config.accept in WAKING_MODES:
        try:
            board.open_wakeup_fds(2 * count)
        except OSError as error:
            log.warning("%s: workers poll each other's state instead", error)


def _try_descriptors(count: int) -> None:
    """Raise OSError if that many descriptors cannot be opened; the forks would fail one by one."""
    fds: list[int] = []
    try:
        fds.extend(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC) for _ in range(count))
    finally:
        for fd in fds:
            os.close(fd)
