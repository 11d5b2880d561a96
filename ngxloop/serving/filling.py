"""Places without a process are filled: at once, with back-off after a young end, or with room.

How much room there is. A reload never uses up the last slots of the scoreboard: a worker that
leaves by itself has one. When even that is taken, serving goes before draining: who has been
leaving for the longest is stopped.
"""

import time
from typing import Protocol

from ngxloop.serving.config import YOUNG_SECONDS
from ngxloop.serving.crew import Crew
from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.failures import Failures
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.logs import log
from ngxloop.serving.places import Place, respawn_delay
from ngxloop.serving.states import Event, State

# Processes for each worker: one serves, one comes, one still drains, and one in reserve that no
# reload uses up, for workers that leave by themselves.
SLOTS_PER_WORKER = 4
_SLOTS_FOR_A_RELOAD = 2  # for each worker: one to fill and the one in reserve


class Fleet(Protocol):
    """What is asked of all the generations, and who is told."""

    crew: Crew
    count: int
    leaving: list[Place]

    @property
    def places(self) -> list[Place]:
        """All places, with a process or without."""

    def lose(self, place: Place, error: StartError) -> None:
        """The place did not get a process."""


class Filling:
    """Gives places their processes."""

    def __init__(self, fleet: Fleet, failures: Failures) -> None:
        self._fleet = fleet
        self._failures = failures

    @property
    def has_room_for_a_reload(self) -> bool:
        """Say whether a whole generation more can be started."""
        return self._room >= _SLOTS_FOR_A_RELOAD * self._fleet.count

    def spawn(self, place: Place) -> None:
        """Fork a process for the place; a fork that fails counts as a death at birth."""
        if self._room <= 0:
            self._make_room(place)
            return
        try:
            self._fleet.crew.spawn(place)
        except Exception as error:
            if isinstance(error, OSError):
                log.error("cannot fork %s: %s", place, error)
            else:  # of no kind that a fork has: the traceback is wanted
                self._failures.note(HandlerName.SPAWNING, error, place)
            place.history.young_ends += 1
            line = f"cannot fork {place}: {error}"
            self._fleet.lose(place, StartError(ExitCode.START_FAILED, line))

    def spawn_again(self, place: Place) -> None:
        """Give a place whose process has died another one, now or later."""
        delay = respawn_delay(place.history.young_ends)
        if delay == 0:
            self.spawn(place)
            return
        log.warning(
            "%s ended %d times in a row within %g s of starting; next start in %g s",
            place,
            place.history.young_ends,
            YOUNG_SECONDS,
            delay,
        )
        place.advance(Event.WAIT)
        place.deadline = time.monotonic() + delay

    def fill_waiting_place(self) -> None:
        """Give a slot that became free to a place that waits for one."""
        for place in self._fleet.places:
            if place.state is State.BACKOFF and place.deadline is None:
                self.spawn(place)
                return

    @property
    def _room(self) -> int:
        """How many more processes there may be."""
        crew = self._fleet.crew
        allowed = SLOTS_PER_WORKER * self._fleet.count - len(crew.places)
        return min(allowed, crew.free_slot_count)

    def _make_room(self, place: Place) -> None:
        """Stop the worker that has been leaving for the longest."""
        place.advance(Event.WAIT)  # without a deadline: until one that leaves is gone
        leaving = self._fleet.leaving
        oldest = next((old for old in leaving if old.state is State.DRAINING), None)
        if oldest is not None:
            log.warning("%s still drains and is stopped: %s needs its slot", oldest, place)
            self._fleet.crew.stop(oldest)
