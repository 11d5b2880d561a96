"""Messages that make the workers look for connections: by themselves they may wait too long.

Messages, not the wakeup_fds, at which a hostile worker could make the master wait.
"""

from collections.abc import Callable, Iterable

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.fleet.workerprocess import WorkerProcess
from ngxloop.serving.process.poller import Handler, Poller


class Wakeups:
    """Wakes all workers.

    Args:
        poller: Calls later.
        processes: Returns the processes of the workers.
    """

    def __init__(self, poller: Poller, processes: Callable[[], Iterable[WorkerProcess]]) -> None:
        self._poller = poller
        self._processes = processes
        self._is_nudging = False

    def urge_all(self) -> None:
        """Let all workers take connections that no worker has accepted."""
        for process in self._processes():
            process.urge()

    def nudge_all(self) -> None:
        """Let every worker look for connections: one that was woken for them accepts no more."""
        for process in self._processes():
            process.nudge()

    def nudge_later(self) -> None:
        """Let every worker look once all that has happened is handled: first a new one begins."""
        if not self._is_nudging:
            self._is_nudging = True
            self._poller.call_later(0.0, Handler(HandlerName.WORKER_STEP, self._nudge_now))

    def _nudge_now(self) -> None:
        self._is_nudging = False
        self.nudge_all()
