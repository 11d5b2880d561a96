"""How things are: what the master knows of itself, its workers and its sockets.

Nothing is asked of the workers, so a stuck one hides nothing.
"""

import os
import socket
import time
from collections.abc import Callable
from typing import Any

from ngxloop.serving.admin.metrics import add_metrics
from ngxloop.serving.base.states import State
from ngxloop.serving.fleet.machine import Machine
from ngxloop.serving.fleet.phases import Phase
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.fleet.records import Worker
from ngxloop.serving.fleet.service import GenerationServices
from ngxloop.serving.handover.handover import Handover
from ngxloop.serving.process.failures import Failures
from ngxloop.serving.sockets.listeners import describe_address
from ngxloop.serving.sockets.queues import read_queue


class Status:
    """What there is to tell."""

    def __init__(
        self,
        machine: Machine,
        processes: Processes,
        services: GenerationServices,
        handover: Handover,
        failures: Failures,
    ) -> None:
        self._machine = machine
        self._processes = processes
        self._services = services
        self._handover = handover
        self._failures = failures
        self._started_at = time.monotonic()
        self._is_answering: Callable[[Worker], bool] = bool

    @property
    def is_ready(self) -> bool:
        """Say whether a load balancer should send connections here."""
        fleet = self._machine.fleet
        if fleet.serving is None or fleet.is_ending:
            return False
        return any(map(self._can_answer, fleet.serving.workers))

    @property
    def is_ending(self) -> bool:
        """Say whether the master was told to end."""
        return self._machine.fleet.is_ending

    def set_answering(self, is_answering: Callable[[Worker], bool]) -> None:
        """Ask this of a worker that is ready: can it answer?"""
        self._is_answering = is_answering

    def _can_answer(self, worker: Worker) -> bool:
        return worker.state is State.READY and self._is_answering(worker)

    @property
    def state(self) -> str:
        """Say in a word what the master does."""
        fleet = self._machine.fleet
        if fleet.is_ending:
            return "ending"
        if fleet.phase is Phase.SERVING and fleet.coming is not None:
            return "reloading"
        return fleet.phase.name.lower()

    def snapshot(self) -> dict[str, Any]:
        """Return everything, as JSON can say it."""
        return add_metrics(self.report(), self._processes.board)

    def report(self) -> dict[str, Any]:
        """Return what only the master knows; metrics.add_metrics() adds the rest."""
        fleet = self._machine.fleet
        return {
            "pid": os.getpid(),
            "state": self.state,
            "ready": self.is_ready,
            "started_at": self._started_at,
            "generation": fleet.serving.number if fleet.serving else 0,
            "workers_wanted": fleet.count,
            "reloads": {
                "ok": fleet.reloads_ok,
                "failed": fleet.reloads_failed,
                "error": fleet.reload_error,
            },
            "failures": {
                "handlers": {str(name): n for name, n in self._failures.counts.items()},
                "last": self._failures.last,
                "malformed_messages": self._processes.messages.malformed_count,
            },
            "successor": self._handover.new_master_pid,
            "predecessor": self._handover.old_master_pid,
            "listeners": self._listeners(),
            "workers": [self._worker(worker) for worker in fleet.workers],
        }

    def _listeners(self) -> list[dict[str, Any]]:
        """Return the sockets of --bind, and those of programs as the keeper has told last."""
        service = self._services.find(self._machine.fleet.listening)
        kept = self._processes.keepers.kept
        return [
            *map(queue_of, service.listeners.sockets if service is not None else ()),
            *({"address": one.address, "queue": one.queue, "limit": one.limit} for one in kept),
        ]

    def _worker(self, worker: Worker) -> dict[str, Any]:
        history = worker.history
        process = self._processes.find(worker.id) if worker.id is not None else None
        told: dict[str, Any] = {
            "worker": worker.number,
            "generation": worker.generation.number,
            "pid": process.pid if process is not None else 0,
            "slot": worker.id.slot if worker.id is not None else -1,
            "state": worker.state.name.lower(),
            "respawns": max(0, history.spawn_count - 1),
            "last_exit": history.last_exit,
        }
        if process is not None:
            told["started_at"] = worker.started_at
        return told


def queue_of(sock: socket.socket) -> dict[str, Any]:
    """Return a listening socket's address, how many wait to be accepted, and how many may."""
    length, limit = read_queue(sock) or (None, None)
    return {"address": describe_address(sock), "queue": length, "limit": limit}
