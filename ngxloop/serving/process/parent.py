"""Ask the kernel for a signal when the parent process dies: prctl(PR_SET_PDEATHSIG).

This is the second net of a worker. The first is the end of file on its channel; this one also ends
a worker that is in a hook or is still importing the application, when no loop reads the channel
yet. The setting belongs to the thread that forked, and setuid() clears it (prctl(2)): a worker asks
before the first hook, and again as another user.
"""

import ctypes
import functools
import os
import signal

from ngxloop.serving.logs.logs import log

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_libc = ctypes.CDLL(None, use_errno=True)


def signal_on_parent_death(number: signal.Signals, parent_pid: int) -> bool:
    """Let the kernel send the signal when the parent dies; False if it is dead already.

    Where a sandbox forbids that, the end of file on the channel is the only net.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        _warn(os.strerror(ctypes.get_errno()))
    return os.getppid() == parent_pid


@functools.cache
def _warn(reason: str) -> None:
    """Log this once, not for each request."""
    log.warning("no signal at the death of the master: prctl(PR_SET_PDEATHSIG): %s", reason)
