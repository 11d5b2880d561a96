"""Workers that have served long enough are replaced: the successor is ready before one drains.

Rule. At most a quarter of the workers, but one at least, are on their way out at a time: their
successors start or they drain. So memory grows by a quarter at most, and workers that became old
together do not leave together.
"""

import functools
from typing import Protocol

from ngxloop.serving.badmessage import BadMessageError
from ngxloop.serving.channel import Message
from ngxloop.serving.config import BACKOFF_LIMIT_SECONDS, YOUNG_SECONDS
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.logs import log
from ngxloop.serving.places import Generation, Place, respawn_delay
from ngxloop.serving.poller import Handler, Poller
from ngxloop.serving.states import State


class Fleet(Protocol):
    """What is asked of all the generations."""

    count: int
    coming: Generation | None
    serving: Generation | None

    def spawn_successor(self, place: Place) -> Place:
        """Start a process that will have this place."""

    def dismiss(self, place: Place) -> None:
        """Let a worker go."""


class Recycling:
    """Who is to be replaced, and who comes for whom."""

    def __init__(self, fleet: Fleet, poller: Poller) -> None:
        self._fleet = fleet
        self._poller = poller
        self._wanted: dict[Place, str] = {}  # in the order in which they were found; with reasons
        self._old_of: dict[Place, Place] = {}  # successor -> who still serves
        self._draining: list[Place] = []  # have been replaced, and finish
        self._failures = 0  # successors in a row that did not start

    @property
    def successors(self) -> list[Place]:
        """Places of processes that start and belong to no generation yet."""
        return list(self._old_of)

    def has(self, place: Place) -> bool:
        """Say whether this is a successor that does not serve yet."""
        return place in self._old_of

    def want(self, place: Place, reason: str) -> None:
        """Replace a worker as soon as it is its turn."""
        if place.state is State.READY and place not in self._wanted and not self._has_heir(place):
            self._wanted[place] = reason
            self.advance()

    def want_worn(self, place: Place, message: Message) -> None:
        """Replace a worker that asks for it, with back-off: only it knows how much it has served.

        Raises:
            BadMessageError: Its configuration has no --max-requests.
        """
        if not place.generation.config.max_requests:
            raise BadMessageError("WORN without --max-requests")
        place.count_worn()
        delay = min(respawn_delay(place.history.young_worn), YOUNG_SECONDS)
        want = functools.partial(self.want, place, "it has served as many requests as it may")
        if delay:
            log.warning(
                "%s has served --max-requests within %g s of starting, %d times in a row; a "
                "successor starts in %g s",
                place,
                YOUNG_SECONDS,
                place.history.young_worn,
                delay,
            )
            handler = Handler(HandlerName.SUCCESSOR_RETRY, want, subject=place)
            self._poller.call_later(delay, handler)
        else:
            want()

    def advance(self) -> None:
        """Start as many successors as there may be."""
        self._draining = [place for place in self._draining if place.is_live]
        if self._fleet.coming is not None or self._fleet.serving is None:
            return  # a reload replaces all of them
        limit = max(1, self._fleet.count // 4)
        while self._wanted and len(self._old_of) + len(self._draining) < limit:
            place = next(iter(self._wanted))
            reason = self._wanted.pop(place)
            if place.state is State.READY:
                self._replace(place, reason)

    def successor_ready(self, successor: Place) -> None:
        """Put it where the old one stands, which drains now."""
        old = self._old_of.pop(successor)
        self._failures = 0
        old.generation.replace(old, successor)
        self._draining.append(old)
        self._fleet.dismiss(old)
        self.advance()

    def successor_lost(self, successor: Place) -> None:
        """Leave the old one where it is, and try again later."""
        self._try_later(self._old_of.pop(successor))

    def promote(self, old: Place) -> Place | None:
        """Return the successor of a worker that is gone, or leaves; it stands for itself now."""
        self._wanted.pop(old, None)
        for successor, place in self._old_of.items():
            if place is old:
                del self._old_of[successor]
                return successor
        return None

    def forget(self, old: Place) -> None:
        """Nobody is to follow this worker; who comes already is sent away."""
        successor = self.promote(old)
        if successor is not None:
            self._fleet.dismiss(successor)

    def forget_all(self, generation: Generation) -> None:
        """The whole generation goes."""
        for place in generation.places:
            self.forget(place)

    def _has_heir(self, place: Place) -> bool:
        return place in self._old_of.values()

    def _replace(self, place: Place, reason: str) -> None:
        log.info("%s (process %d) is replaced: %s", place, place.pid, reason)
        place.verdict = reason
        try:
            self._old_of[self._fleet.spawn_successor(place)] = place
        except Exception as error:
            if isinstance(error, OSError):
                log.error("cannot fork a successor of %s: %s", place, error)
            else:
                self._poller.failures.note(HandlerName.SPAWNING, error, place)
            self._try_later(place)

    def _try_later(self, place: Place) -> None:
        seconds = min(2.0**self._failures, BACKOFF_LIMIT_SECONDS)
        self._failures += 1
        log.warning("%s goes on serving; a successor is tried again in %g s", place, seconds)
        again = functools.partial(self.want, place, place.verdict)
        self._poller.call_later(seconds, Handler(HandlerName.SUCCESSOR_RETRY, again, subject=place))
