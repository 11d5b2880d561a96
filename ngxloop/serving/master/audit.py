"""Compare the processes with the records of the machine after a failure of a handler.

The machine itself is never half changed; what an action did not do shows here:

a process that has ended                   is reaped, though its signal was lost
a process that is not in the records       is killed, or released if it has ended
a worker in the records without a process  has ended

Each comparison is guarded by itself. It runs in the turn of the failure, and again in the next one
if it fails itself: the health check sees to it that there is a turn every second.
"""

from collections.abc import Callable

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.executor import Executor
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.process.poller import Handler, Poller


class Audit:
    """Compares, if something has failed since the last time."""

    def __init__(self, executor: Executor, processes: Processes, poller: Poller) -> None:
        self._executor = executor
        self._processes = processes
        self._poller = poller
        self._seen = 0  # failures that were followed by an audit
        self._checks: tuple[Callable[[], None], ...] = (
            processes.reaper.reap,
            self._end_strangers,
            self._find_lost,
            self._reconcile,
        )

    def run(self) -> None:
        """Check everything if a handler has failed since the last time."""
        failed = self._poller.failures.total
        if failed == self._seen:
            return
        self._seen = failed
        for check in self._checks:
            self._poller.call(Handler(HandlerName.AUDIT, check))

    def _end_strangers(self) -> None:
        known = self._executor.machine.fleet.live
        for process in self._processes.all:
            if process.id in known:
                continue
            if process.has_ended or not process.pid:
                self._processes.release(actions.Release(process.id))
            else:
                self._processes.kill(actions.Kill(process.id))

    def _find_lost(self) -> None:
        for name in self._executor.machine.fleet.live:
            process = self._processes.find(name)
            if process is None or (process.has_ended and not self._executor.is_keeping(name)):
                pid = process.pid if process is not None else 0
                reason = "its end could not be handled"
                self._executor.tell(events.Exited(name, None, reason, pid))

    def _reconcile(self) -> None:
        self._executor.tell(events.Tick())
