"""Looks at the workers from time to time, and tells what it sees: beats, sizes, queues, listeners.

Nothing is asked of a worker, no thread and no signal.
"""

import functools
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.states import State
from ngxloop.serving.config.config import Config
from ngxloop.serving.fleet import events
from ngxloop.serving.fleet.boardcheck import BoardCheck
from ngxloop.serving.fleet.heartbeats import Heartbeats, can_answer
from ngxloop.serving.fleet.machine import Machine
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.fleet.records import Worker
from ngxloop.serving.fleet.workerprocess import WorkerProcess
from ngxloop.serving.process.poller import Alarm, Handler, Poller
from ngxloop.serving.sockets.acceptwatch import AcceptWatch
from ngxloop.serving.sockets.listeners import Listeners, is_listening
from ngxloop.serving.sockets.queues import QueueWatch, find_closed

_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_LOOKS_PER_TIMEOUT = 4
_LONGEST_PERIOD = 1.0
_SHORTEST_PERIOD = 0.01
# How often it looks how large the workers are.
_SIZE_SECONDS = 1.0
_LONGEST_STEP = 2  # periods that count of the time between two looks
_CALLBACK_SECONDS = 5.0  # a loop that is busy with one callback for longer answers nobody


class Observer:
    """The rounds of the master.

    Args:
        tell: Takes events.
        poller: Has alarms.
        processes: The workers.
        machine: Knows in which state each worker is.
        find_listeners: Returns those of the generation that serves.
    """

    def __init__(
        self,
        tell: Callable[[events.Event], None],
        poller: Poller,
        processes: Processes,
        machine: Machine,
        find_listeners: Callable[[], Listeners],
    ) -> None:
        self._tell = tell
        self._machine = machine
        self._poller = poller
        self._processes = processes
        self._find_listeners = find_listeners
        self._alarm: Alarm | None = None
        self._period = _LONGEST_PERIOD
        self._heartbeats = Heartbeats(0.0, 0.0)
        self._accept_watch = AcceptWatch(
            poller, self._find_shared_sockets, processes.wakeups.urge_all
        )
        self._sizes_at = 0.0
        self._queues = QueueWatch()
        self._board_check = BoardCheck(machine, processes)

    def configure(self, config: Config) -> None:
        """Look as often as the configuration needs."""
        period = config.hang_timeout / _LOOKS_PER_TIMEOUT or _LONGEST_PERIOD
        self._period = min(max(period, _SHORTEST_PERIOD), _LONGEST_PERIOD)
        self._heartbeats = Heartbeats(time.monotonic(), _LONGEST_STEP * self._period)
        self._poller.call(Handler(HandlerName.ACCEPT_WATCH, self._accept_watch.sync))
        self._arm()

    def close(self) -> None:
        """Watch no queue any more."""
        self._accept_watch.close()

    def close_in_worker(self) -> None:
        """Close a worker's copies."""
        self._accept_watch.close_in_worker()

    def is_answering(self, worker: Worker) -> bool:
        """Say whether a worker that is ready can be expected to answer a request that comes now."""
        if worker.id is None or worker.dumped_turns is not None or worker.is_killed:
            return False
        process = self._processes.find(worker.id)
        if process is None:
            return False
        return can_answer(
            self._heartbeats.silence(process.pid),
            is_waiting=self._processes.board.read(worker.id.slot)["waiting"],
            timeout=worker.generation.settings.hang_timeout,
            patience=_CALLBACK_SECONDS,
        )

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        handler = Handler(HandlerName.HEALTH_CHECK, self._look)
        self._alarm = self._poller.call_later(self._period, handler)

    def _look(self) -> None:
        """Look at all; a worker that cannot be looked at keeps no other from it."""
        now = time.monotonic()
        self._heartbeats.look(now, self._count_turns())
        is_time = now - self._sizes_at >= _SIZE_SECONDS
        for process in self._processes.all:
            look = functools.partial(self._look_at, process, is_time)
            self._poller.call(Handler(HandlerName.WORKER_STEP, look, subject=process))
        if is_time:
            self._sizes_at = now
            self._look_at_listeners()
        self._arm()

    def _look_at_listeners(self) -> None:
        sockets = self._find_listeners().sockets
        self._queues.look(sockets)
        kept = [one.address for one in self._processes.keepers.kept if one.is_shut]
        if closed := find_closed(sockets) + kept:
            self._tell(events.ListenersClosed(" ".join(closed)))
        self._poller.call(Handler(HandlerName.WORKER_STEP, self._board_check.run))
        self._poller.call(Handler(HandlerName.ACCEPT_WATCH, self._accept_watch.sync))

    def _find_shared_sockets(self) -> list[socket.socket]:
        """Return the sockets of --bind of which a connection can go to more than one worker."""
        live = self._machine.fleet.live.values()
        if sum(worker.state is State.READY for worker in live) <= 1:  # nobody else could take them
            return []
        bound = [one.sock for one in self._find_listeners().opened if one.copy is None]
        return [sock for sock in bound if is_listening(sock)]

    def _count_turns(self) -> dict[int, int]:
        """Return the turns of each loop; a program on a loop of its own kind has none."""
        turns = {}
        for name, worker in self._machine.fleet.live.items():
            process = self._processes.find(name)
            if process is not None and worker.state in (State.READY, State.DRAINING):
                values = self._processes.board.read(name.slot)
                if values["beat_ns"]:
                    turns[process.pid] = values["turns"]
        return turns

    def _look_at(self, process: WorkerProcess, is_size_wanted: bool) -> None:
        config = process.service.config
        if process.has_ended:
            return
        if config.hang_timeout:
            turns = self._processes.board.read(process.id.slot)["turns"]
            self._tell(events.Beat(process.id, turns, self._heartbeats.silence(process.pid)))
        if is_size_wanted and config.max_rss:
            size = resident_bytes(process.pid) / 2**20
            if size > config.max_rss:
                self._tell(events.RssExceeded(process.id, size, config.max_rss))


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
