"""Look at a program until it is known that it serves.

A program that listens in Python tells us itself (sharedbind.py). For all others the process gets a
signal from time to time, at which its main thread looks (unseenlisteners.py): soon at first, then
at doubling intervals, so what serves is found after at most twice the time that it took to begin.
"""

import signal
import time
from collections.abc import Callable, Collection

from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.signaltimer import SignalTimer
from ngxloop.serving.worker.unseenlisteners import UnseenListener, find_listener, listening_inodes

FIRST_LOOK_SECONDS = 0.25
_LONGEST_SECONDS = 5.0  # between two looks


class ProgramWatch:
    """Looks at the program of this process; for its main thread.

    Args:
        app: The program, for the log.
        number: The signal at which look() is to be called; it may come for other reasons, too.
        shared: The inodes of the sockets that the master has bound, now and later.
        heard: Those of sockets on which Python's listen() was called.
        serves: Called once a listening socket is found.
    """

    def __init__(
        self,
        app: str,
        number: signal.Signals,
        shared: Collection[int],
        heard: Collection[int],
        serves: Callable[[], object],
    ) -> None:
        self._app = app
        self._number = number
        self._shared = shared
        self._heard = heard
        self._serves = serves
        self._known: Collection[int] = ()
        self._interval = FIRST_LOOK_SECONDS
        self._due: float | None = None  # monotonic
        self._timer: SignalTimer | None = None

    def begin(self) -> None:
        """Look for a listening socket from now on.

        Until end(), system calls that the signal interrupts go on: C code may not expect EINTR, and
        orders to a program that has not started come with a SIGTERM.
        """
        self._known = frozenset(listening_inodes())
        try:
            self._timer = SignalTimer(self._number)
        except (OSError, AttributeError) as error:
            log.debug("sockets that other libraries open are not detected: %s", error)
            return
        signal.siginterrupt(self._number, False)
        self._arm(FIRST_LOOK_SECONDS)

    def end(self) -> None:
        """Stop looking: the program serves."""
        if self._timer is not None:
            self._due = self._timer = None
            signal.siginterrupt(self._number, True)

    def look(self) -> None:
        """Look, if it is time to."""
        if self._due is None or time.monotonic() < self._due:
            return
        self._due = None  # an order may come while we look
        found = find_listener(self._shared, self._heard, self._known)
        if found is None:
            self._arm(next_interval(self._interval))
            return
        explain(self._app, found)
        self._serves()

    def _arm(self, seconds: float) -> None:
        if self._timer is not None:
            self._interval = seconds
            self._due = time.monotonic() + seconds
            self._timer.arm(seconds)


def next_interval(seconds: float) -> float:
    """Return how long to wait for the look after the next one."""
    return min(2 * seconds, _LONGEST_SECONDS)


def explain(app: str, found: UnseenListener) -> None:
    """Log what it means that a program serves unseen."""
    if not found.is_shared:
        log.warning(
            "%s listens by a library of its own (fd %d): the workers do not share this socket, and "
            "ngxloop neither balances nor counts its connections",
            app,
            found.fd,
        )
    else:
        log.warning(
            "process %d accepts for %s, not by ngxloop: its connections are not balanced, and it "
            "accepts until it is told to end; if these are workers of the program's own, give "
            "their number with --workers instead",
            found.pid,
            app,
        )
