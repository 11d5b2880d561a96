"""Looks at the workers from time to time: is one hung, too large, or too old? Do queues fill?

Hung is a worker whose loop does not turn for the hang time-out, see heartbeats.py. Nothing is asked
of the worker, no thread and no signal.

Rule. Before a hung worker is killed it writes its stacks (stackpipe.py), and has DUMP_SECONDS to
come back. It is accused once: until its end was seen nothing more is said about it.
"""

import functools
import os
import signal
import socket
import time
from pathlib import Path

from ngxloop.serving.boardcheck import BoardCheck
from ngxloop.serving.config import DUMP_SECONDS, RSS_SECONDS, Config
from ngxloop.serving.generations import Generations
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.heartbeats import Heartbeats, can_answer
from ngxloop.serving.listeners import is_listening
from ngxloop.serving.logs import log
from ngxloop.serving.places import Place
from ngxloop.serving.poller import Alarm, Handler, Poller
from ngxloop.serving.queues import QueueWatch, find_closed
from ngxloop.serving.sentry import Sentry
from ngxloop.serving.stackpipe import find_condition
from ngxloop.serving.states import State

_PAGE_BYTES = os.sysconf("SC_PAGESIZE")
_LOOKS_PER_TIMEOUT = 4
_LONGEST_PERIOD = 1.0
_SHORTEST_PERIOD = 0.01
_RELISTEN_SECONDS = 10.0  # between two reloads for listeners that were shut down
_LONGEST_STEP = 2  # periods that count of the time between two looks
_CALLBACK_SECONDS = 5.0  # a loop that is busy with one callback for longer answers nobody


class Health:
    """The rounds of the master."""

    def __init__(self, generations: Generations, poller: Poller) -> None:
        self._generations = generations
        self._poller = poller
        self._alarm: Alarm | None = None
        self._period = _LONGEST_PERIOD
        self._heartbeats = Heartbeats(0.0, 0.0)
        self._sentry = Sentry(poller, self._find_shared_sockets, generations.crew.urge_all)
        self._rss_at = 0.0
        self._relisten_at = 0.0
        self._queues = QueueWatch()
        self._board_check = BoardCheck(generations.crew)
        self._accused: dict[int, int] = {}  # process id -> its turns when it was told to dump

    def configure(self, config: Config) -> None:
        """Look as often as the configuration needs."""
        period = config.hang_timeout / _LOOKS_PER_TIMEOUT or _LONGEST_PERIOD
        self._period = min(max(period, _SHORTEST_PERIOD), _LONGEST_PERIOD)
        self._heartbeats = Heartbeats(time.monotonic(), _LONGEST_STEP * self._period)
        self._poller.call(Handler(HandlerName.ACCEPT_WATCH, self._sentry.sync))
        self._arm()

    def close(self) -> None:
        """Watch no queue any more."""
        self._sentry.close()

    def close_in_worker(self) -> None:
        """Close a worker's copies."""
        self._sentry.close_in_worker()

    def is_answering(self, place: Place) -> bool:
        """Say whether a worker that is ready can be expected to answer a request that comes now."""
        if place.pid in self._accused:
            return False
        values = self._generations.crew.board.read(place.slot)
        return can_answer(
            self._heartbeats.silence(place.pid),
            is_waiting=values["waiting"],
            timeout=place.generation.config.hang_timeout,
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
        live = self._generations.crew.pids
        self._accused = {pid: turns for pid, turns in self._accused.items() if pid in live}
        for place in self._generations.places:
            look = functools.partial(self._look_at, place, now)
            self._poller.call(Handler(HandlerName.WORKER_STEP, look, subject=place))
        if now - self._rss_at >= RSS_SECONDS:
            self._rss_at = now
            self._look_at_sizes()
            self._queues.look(self._generations.listeners.sockets)
            self._look_at_listeners(now)
            self._poller.call(Handler(HandlerName.WORKER_STEP, self._board_check.run))
            self._poller.call(Handler(HandlerName.ACCEPT_WATCH, self._sentry.sync))
        self._arm()

    def _look_at(self, place: Place, now: float) -> None:
        if place.state in (State.READY, State.DRAINING):
            self._look_for_hang(place, place.generation.config.hang_timeout)
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

    # Queues ------------------------------------------------------------------------------------

    def _find_shared_sockets(self) -> list[socket.socket]:
        """Return the sockets of --bind of which a connection can go to more than one worker."""
        generations = self._generations
        is_ready = [place.state is State.READY for place in generations.crew.places]
        if sum(is_ready) <= 1:  # no other worker could take them
            return []
        bound = [one.sock for one in generations.listeners.opened if one.copy is None]
        return [sock for sock in bound if is_listening(sock)]

    # Hung --------------------------------------------------------------------------------------

    def _count_turns(self) -> dict[int, int]:
        """Return the turns of each loop; a program on a loop of its own kind has none."""
        turns = {}
        for place in self._generations.crew.places:
            if place.state in (State.READY, State.DRAINING):
                values = self._generations.crew.board.read(place.slot)
                if values["beat_ns"]:
                    turns[place.pid] = values["turns"]
        return turns

    def _look_for_hang(self, place: Place, timeout: float) -> None:
        if not timeout or place.pid in self._accused:
            return
        silence = self._heartbeats.silence(place.pid)
        if silence > timeout:
            self._accuse(place, silence)

    def _accuse(self, place: Place, seconds: float) -> None:
        """Let the worker write its stacks, and decide in a moment."""
        pid = place.pid
        log.error(
            "%s (process %d) has not turned its loop for %.1f s; it is killed unless it goes on",
            place,
            pid,
            seconds,
        )
        self._accused[pid] = self._generations.crew.board.read(place.slot)["turns"]
        place.ask_for_stacks()
        judge = functools.partial(self._judge, place, pid, seconds)
        kill = functools.partial(self._kill, place, pid, "hung")
        handler = Handler(HandlerName.HANG_VERDICT, judge, kill, place)
        self._poller.call_later(DUMP_SECONDS, handler)

    def _judge(self, place: Place, pid: int, seconds: float) -> None:
        """Kill the worker, unless its loop goes on."""
        if place.pid != pid:
            return
        stacks = place.read_stacks()
        turns = self._generations.crew.board.read(place.slot)["turns"]
        if turns != self._accused.get(pid):
            self._accused.pop(pid, None)
            shown = {"user_traceback": stacks}
            log.warning("%s (process %d) goes on: spared", place, pid, extra=shown)
            return
        self._kill(place, pid, f"hung for {seconds + DUMP_SECONDS:.1f} s", stacks)

    def _kill(self, place: Place, pid: int, verdict: str, stacks: str = "") -> None:
        if place.pid != pid:
            return
        threads = "its threads are shown" if stacks else f"it {find_condition(pid)}"
        log.error(
            "%s (process %d) hangs: killed; %s",
            place,
            pid,
            threads,
            extra={"user_traceback": stacks},
        )
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
