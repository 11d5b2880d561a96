"""How things are: what the master knows of itself, its workers and its sockets.

Nothing is asked of the workers, so a stuck one hides nothing.
"""

import os
import socket
import time
from collections.abc import Callable
from typing import Any

from ngxloop.serving.failures import Failures
from ngxloop.serving.figures import complete
from ngxloop.serving.generations import Generations
from ngxloop.serving.listeners import describe_address
from ngxloop.serving.places import Place
from ngxloop.serving.queues import read_queue
from ngxloop.serving.states import State
from ngxloop.serving.succession import Succession


class Status:
    """What there is to tell."""

    def __init__(
        self, generations: Generations, succession: Succession, failures: Failures
    ) -> None:
        self._generations = generations
        self._failures = failures
        self._succession = succession
        self._started_at = time.monotonic()
        self.is_ending = False
        self._is_answering: Callable[[Place], bool] = _is_ready

    def set_answering(self, is_answering: Callable[[Place], bool]) -> None:
        """Ask this of a worker that is ready: can it answer?"""
        self._is_answering = is_answering

    @property
    def is_ready(self) -> bool:
        """Say whether a load balancer should send connections here."""
        serving = self._generations.serving
        places = serving.places if serving is not None else []
        can_answer = any(_is_ready(place) and self._is_answering(place) for place in places)
        return can_answer and not self.is_ending

    @property
    def state(self) -> str:
        """Say in a word what the master does."""
        generations = self._generations
        if self.is_ending:
            return "ending"
        if generations.is_resting:
            return "resting"
        if generations.serving is None:
            return "starting"
        return "reloading" if generations.coming is not None else "serving"

    def snapshot(self) -> dict[str, Any]:
        """Return everything, as JSON can say it."""
        return complete(self.report(), self._generations.crew.board)

    def report(self) -> dict[str, Any]:
        """Return what only the master knows; figures.complete() adds the rest."""
        generations = self._generations
        reloads = generations.reloads
        return {
            "pid": os.getpid(),
            "state": self.state,
            "ready": self.is_ready,
            "started_at": self._started_at,
            "generation": generations.serving.number if generations.serving else 0,
            "workers_wanted": generations.count,
            "reloads": {"ok": reloads.ok, "failed": reloads.failed, "error": reloads.error},
            "failures": {
                "handlers": {str(name): n for name, n in self._failures.counts.items()},
                "last": self._failures.last,
                "malformed_messages": generations.crew.messages.malformed_count,
            },
            "successor": self._succession.successor_pid,
            "predecessor": self._succession.predecessor_pid,
            "listeners": self._listeners(),
            "workers": [_worker(place) for place in generations.places],
        }

    def _listeners(self) -> list[dict[str, Any]]:
        """Return the sockets of --bind, and those of programs as the keeper has told last."""
        kept = self._generations.crew.keepers.kept
        return [
            *map(queue_of, self._generations.listeners.sockets),
            *({"address": one.address, "queue": one.queue, "limit": one.limit} for one in kept),
        ]


def _worker(place: Place) -> dict[str, Any]:
    history = place.history
    told: dict[str, Any] = {
        "worker": place.number,
        "generation": place.generation.number,
        "pid": place.pid,
        "slot": place.slot,
        "state": place.state.name.lower(),
        "respawns": max(0, history.spawn_count - 1),
        "last_exit": history.last_exit,
    }
    if place.is_live:
        told["started_at"] = place.started_at
    return told


def _is_ready(place: Place) -> bool:
    return place.state is State.READY


def queue_of(sock: socket.socket) -> dict[str, Any]:
    """Return a listening socket's address, how many wait to be accepted, and how many may."""
    length, limit = read_queue(sock) or (None, None)
    return {"address": describe_address(sock), "queue": length, "limit": limit}
