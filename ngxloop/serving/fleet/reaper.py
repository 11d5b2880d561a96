"""Reap the children of the master: workers, its other processes, and strays.

What the channel of a worker held is told before its end.
"""

import functools
import os
from collections.abc import Callable, Collection

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.fleet import events
from ngxloop.serving.fleet.messages import Messages
from ngxloop.serving.fleet.workerprocess import WorkerProcess
from ngxloop.serving.process.poller import Handler, Poller
from ngxloop.serving.process.process import exit_code, exit_reason, has_ended, reap_strays


class Reaper:
    """Knows all children.

    Args:
        tell: Takes events.
        poller: Guards.
        workers: Returns the processes of the workers.
        messages: Returns the channels of the workers.
        has_preloaded: Says whether a process that preloads was ever forked.
    """

    def __init__(
        self,
        tell: Callable[[events.Event], None],
        poller: Poller,
        workers: Callable[[], Collection[WorkerProcess]],
        messages: Callable[[], Messages],
        has_preloaded: Callable[[], bool],
    ) -> None:
        self._tell = tell
        self._poller = poller
        self._workers = workers
        self._messages = messages
        self._has_preloaded = has_preloaded
        self._others: dict[int, Callable[[int], None]] = {}  # children that are not workers

    def adopt(self, pid: int, ended: Callable[[int], None]) -> None:
        """Watch a child of ours that is no worker; ended() is called with its exit code."""
        self._others[pid] = ended

    def pids(self) -> set[int]:
        """Return the process ids of all children that we know."""
        live = {one.pid for one in self._workers() if one.pid and not one.has_ended}
        return live | self._others.keys()

    def reap(self) -> None:
        """Take note of every process that has ended."""
        for process in self._workers():
            if process.pid and not process.has_ended and has_ended(process.pid):
                reap = functools.partial(self._reap, process)
                self._poller.call(Handler(HandlerName.REAPING, reap, subject=process))
        for pid, action in list(self._others.items()):
            if has_ended(pid):
                del self._others[pid]
                code = exit_code(pid)
                tell = functools.partial(action, 0 if code is None else code)
                handler = Handler(HandlerName.REAPING, tell, subject=f"process {pid}")
                self._poller.call(handler)
        # The first process of a container inherits all orphans in it; a master that preloads asks
        # for them.
        if os.getpid() == 1 or self._has_preloaded():
            reap_strays(self.pids())

    def _reap(self, process: WorkerProcess) -> None:
        self._messages().receive_last(process)  # not reaped yet: it may lead to a signal to its id
        code = exit_code(process.pid)
        process.has_ended = True
        self._tell(events.Exited(process.id, code, exit_reason(code), process.pid))
