"""Looks at the workers from time to time: is one hung, too large, or too old? Do queues fill?

Hung. The loop of a worker stores the time at the beginning of every turn, and whether it waits for
the kernel. A beat that is too old while it does not wait is a callback that does not return; an old
beat of a loop that waits is idleness. Nothing is asked of the worker, no thread and no signal: what
starves a thread (a C function that keeps the GIL, a throttled CPU) kills no healthy worker.

Rule. Before a hung worker is killed it writes its stacks (faulthandler, by DUMP_SIGNAL), and has
DUMP_SECONDS to come back. A master that was itself kept from running for a while, as is everybody
when a machine is suspended or throttled, begins to count again.
"""

import functools
import os
import signal
import time
from pathlib import Path

from ngxloop.serving.boardcheck import BoardCheck
from ngxloop.serving.config import DUMP_SECONDS, RSS_SECONDS, Config
from ngxloop.serving.generations import Generations
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.logs import log
from ngxloop.serving.places import Place
from ngxloop.serving.poller import Alarm, Handler, Poller
from ngxloop.serving.queues import QueueWatch, find_closed
from ngxloop.serving.signals import DUMP_SIGNAL
from ngxloop.serving.states import State

_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_LOOKS_PER_TIMEOUT = 4
_LONGEST_PERIOD = 1.0
_SHORTEST_PERIOD = 0.01
_RELISTEN_SECONDS = 10.0  # between two reloads for listeners that were shut down


class Health:
    """The rounds of the master."""

    def __init__(self, generations: Generations, poller: Poller) -> None:
        self._generations = generations
        self._poller = poller
        self._alarm: Alarm | None = None
        self._period = 0.0
        self._looked_at = 0.0
        self._forgiven_at = 0.0  # beats before this are not held against anybody
        self._rss_at = 0.0
        self._relisten_at = 0.0
        self._queues = QueueWatch()
        self._board_check = BoardCheck(generations.crew)
        self._accused: dict[int, int] = {}  # process id -> its turns when it was told to dump

    def configure(self, config: Config) -> None:
        """Look as often as the configuration needs."""
        period = config.hang_timeout / _LOOKS_PER_TIMEOUT or _LONGEST_PERIOD
        self._period = min(max(period, _SHORTEST_PERIOD), _LONGEST_PERIOD)
        self._looked_at = self._forgiven_at = time.monotonic()
        self._arm()

    def _arm(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        handler = Handler(HandlerName.HEALTH_CHECK, self._look)
        self._alarm = self._poller.call_later(self._period, handler)

    def _look(self) -> None:
        """Look at all; a worker that cannot be looked at keeps no other from it."""
        now = time.monotonic()
        late = now - self._looked_at - self._period
        self._looked_at = now
        for place in self._generations.places:
            look = functools.partial(self._look_at, place, now, late)
            self._poller.call(Handler(HandlerName.WORKER_STEP, look, subject=place))
        if now - self._rss_at >= RSS_SECONDS:
            self._rss_at = now
            self._look_at_sizes()
            self._queues.look(self._generations.listeners.sockets)
            self._look_at_listeners(now)
            self._poller.call(Handler(HandlerName.WORKER_STEP, self._board_check.run))
        self._arm()

    def _look_at(self, place: Place, now: float, late: float) -> None:
        config = place.generation.config
        if config.hang_timeout and late > config.hang_timeout / 2:
            self._forgiven_at = now
        if place.state in (State.READY, State.DRAINING):
            self._look_for_hang(place, config.hang_timeout, now)
        if place.state is State.READY:
            self._look_at_age(place, now)

    def _look_at_listeners(self, now: float) -> None:
        """Reload if a worker has shut a listener down; all others have stopped accepting there."""
        generations = self._generations
        if now < self._relisten_at or generations.serving is None or generations.coming is not None:
            return
        if closed := find_closed(generations.listeners.sockets):
            self._relisten_at = now + _RELISTEN_SECONDS
            addresses = " ".join(closed)
            log.error("%s: a worker has shut the listener down; reloading", addresses)
            generations.reload()

    # Hung --------------------------------------------------------------------------------------

    def _look_for_hang(self, place: Place, timeout: float, now: float) -> None:
        if not timeout or place.pid in self._accused:
            return
        values = self._generations.crew.board.read(place.slot)
        if values["waiting"] or not values["beat_ns"]:
            return
        beat = max(values["beat_ns"] / 1e9, self._forgiven_at)
        if now - beat > timeout:
            self._accuse(place, values["turns"], now - beat)

    def _accuse(self, place: Place, turns: int, seconds: float) -> None:
        """Let the worker write its stacks, and decide in a moment."""
        log.error(
            "%s (process %d) has not turned its loop for %.1f s; its stacks follow",
            place,
            place.pid,
            seconds,
        )
        pid = place.pid
        self._accused[pid] = turns
        place.send_signal(DUMP_SIGNAL)
        judge = functools.partial(self._judge, place, pid, seconds)
        kill = functools.partial(self._kill, place, pid, "hung")
        handler = Handler(HandlerName.HANG_VERDICT, judge, kill, place)
        self._poller.call_later(DUMP_SECONDS, handler)

    def _judge(self, place: Place, pid: int, seconds: float) -> None:
        """Kill the worker, unless its loop goes on."""
        turns = self._accused.pop(pid, None)
        if place.pid != pid:
            return
        values = self._generations.crew.board.read(place.slot)
        if values["turns"] != turns or values["waiting"]:
            log.warning("%s (process %d) goes on: spared", place, pid)
            return
        log.error("%s (process %d) hangs: killed", place, pid)
        self._kill(place, pid, f"hung for {seconds + DUMP_SECONDS:.1f} s")

    def _kill(self, place: Place, pid: int, verdict: str) -> None:
        self._accused.pop(pid, None)
        if place.pid == pid:
            place.verdict = verdict
            place.send_signal(signal.SIGKILL)

    # Old and large -----------------------------------------------------------------------------

    def _look_at_age(self, place: Place, now: float) -> None:
        limit = place.lifetime
        if limit and place.ready_at is not None and now - place.ready_at > limit:
            self._generations.recycling.want(place, f"it has served for {limit:.0f} s")

    def _look_at_sizes(self) -> None:
        for place in self._generations.places:
            limit = place.generation.config.max_rss
            if limit and place.state is State.READY:
                size = resident_bytes(place.pid) / 2**20
                if size > limit:
                    reason = f"it uses {size:.0f} MiB, more than {limit:g}"
                    self._generations.recycling.want(place, reason)


def resident_bytes(pid: int) -> int:
    """Return the resident memory of a process, 0 if it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0
