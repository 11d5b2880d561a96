"""Repair the records of the workers after a failure of a handler.

A handler that raises may have done some of its steps. Instead of an undo for each step, the records
are compared with what must hold between two turns:

a place with a process                             has one that the crew knows, or is empty
a process that has no place                        is stopped
a worker that leaves, and each one at the end      has been told to drain
a worker that starts, drains or stops              has a deadline
a place of the serving generation                  has a process, or waits for one
a place of the coming generation                   has a process, or the generation is rejected
a coming generation of which all is ready          serves
a slot of the scoreboard                           is free unless a process has it

Each comparison is guarded by itself. It runs in the turn of the failure, and again in the next one
if it fails itself: the health check sees to it that there is a turn every second.
"""

import functools
from collections.abc import Callable

from ngxloop.serving.config import STOP_SECONDS
from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.generations import Generations
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.places import Place
from ngxloop.serving.poller import Handler, Poller
from ngxloop.serving.states import State


class Audit:
    """Compares the records of the workers with what must hold."""

    def __init__(self, generations: Generations, poller: Poller) -> None:
        self._generations = generations
        self._poller = poller
        self._seen = 0  # failures that were followed by an audit
        self._checks: tuple[Callable[[], None], ...] = (
            generations.crew.reap,  # a SIGCHLD may have been lost
            generations.crew.count_free_slots,
            self._empty_places,
            self._stop_strangers,
            self._send_away,
            self._set_deadlines,
            self._fill_serving,
            self._decide_coming,
            generations.recycling.advance,
            generations.close_unused_listeners,
            generations.start_wanted_reload,
        )

    def run(self) -> None:
        """Check everything if a handler has failed since the last time."""
        failed = self._poller.failures.total
        if failed == self._seen:
            return
        self._seen = failed
        for check in self._checks:
            self._poller.call(Handler(HandlerName.AUDIT, check))

    def _empty_places(self) -> None:
        crew = self._generations.crew
        known = set(crew.places)
        for place in self._generations.places:
            if place.is_live and place not in known:
                self._guard(place, functools.partial(crew.give_up, place))

    def _stop_strangers(self) -> None:
        generations = self._generations
        known = set(generations.places)
        for place in generations.crew.places:
            if place not in known:
                generations.leaving.append(place)
                self._guard(place, functools.partial(generations.crew.stop, place))
        generations.leaving[:] = [place for place in generations.leaving if place.is_live]

    def _send_away(self) -> None:
        generations = self._generations
        leaving = generations.crew.places if generations.is_ending else generations.leaving
        for place in leaving[:]:
            if place.state in (State.STARTING, State.READY):
                self._guard(place, functools.partial(generations.crew.retire, place))

    def _set_deadlines(self) -> None:
        for place in self._generations.crew.places:
            if place.deadline is None and place.state is not State.READY:
                place.put_off(_patience(place))

    def _fill_serving(self) -> None:
        generations = self._generations
        if generations.serving is None or generations.is_ending:
            return
        for place in list(generations.serving.places):
            if place.state is State.DEAD:
                self._guard(place, functools.partial(generations.refill, place))

    def _decide_coming(self) -> None:
        generations = self._generations
        coming = generations.coming
        if coming is None or generations.is_ending:
            return
        if coming.is_ready:
            generations.accept_generation(coming)
        elif generations.crew.zygotes.is_loading(coming.number):
            return
        elif any(place.state is State.DEAD for place in coming.places):
            line = f"generation {coming.number} could not be started; the traceback says why"
            generations.reject_generation(coming, StartError(ExitCode.INTERNAL, line))

    def _guard(self, place: Place, action: Callable[[], None]) -> None:
        self._poller.call(Handler(HandlerName.AUDIT, action, subject=place))


def _patience(place: Place) -> float:
    """Return how long a worker that is neither dead nor ready may stay in its state."""
    config = place.generation.config
    seconds = {State.STARTING: config.start_timeout, State.DRAINING: config.graceful_timeout}
    return seconds.get(place.state, STOP_SECONDS)
