"""How many workers there can be: slots of the scoreboard, which are made once, before the fork."""

import contextlib
import errno
import os

from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.filling import SLOTS_PER_WORKER
from ngxloop.serving.generations import Generations
from ngxloop.serving.owner import Owner
from ngxloop.serving.poller import Poller

_LEAST_WORKERS_TO_SCALE_TO = 8


def open_generations(owner: Owner, poller: Poller, count: int) -> tuple[Generations, int]:
    """Make what all workers share; return it, and to how many workers it can be scaled.

    There is room to scale, unless there are too few descriptors for that.

    Raises:
        StartError: There are too few for the workers themselves.
    """
    for most in (max(_LEAST_WORKERS_TO_SCALE_TO, 2 * count), count):
        with contextlib.suppress(OSError):
            return Generations(owner, poller, SLOTS_PER_WORKER * most), most
    raise StartError(
        ExitCode.START_FAILED,
        f"cannot prepare {count} workers: {os.strerror(errno.EMFILE)}; "
        "raise the open file limit (ulimit -n), or lower --workers",
    )
