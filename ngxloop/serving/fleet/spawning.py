"""Workers without a process get one: at once, with back-off after a young end, or with room.

How much room there is. A reload never uses up the last slots of the scoreboard: a worker that
drains by itself has one. When even that is taken, serving goes before draining: who has been
draining for the longest is stopped.
"""

from ngxloop.serving.base.states import State, WorkerTransition
from ngxloop.serving.base.timing import BACKOFF_LIMIT_SECONDS, BACKOFF_SECONDS, YOUNG_SECONDS
from ngxloop.serving.fleet import workers
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.phases import Stage
from ngxloop.serving.fleet.records import Generation, Worker


def fill(decision: Decision) -> None:
    """Give the workers of the coming and the serving generation their processes."""
    fleet = decision.fleet
    if fleet.is_leaving:
        return
    for generation in (fleet.serving, fleet.coming):
        if generation is not None and generation.stage in (Stage.STARTING, Stage.SERVING):
            _fill(decision, generation)


def _fill(decision: Decision, generation: Generation) -> None:
    for worker in generation.workers:
        if worker.state is State.DEAD:
            spawn_again(decision, worker)
        elif worker.state is State.BACKOFF and worker.deadline is None and decision.fleet.room > 0:
            workers.spawn(decision, worker)


def spawn_again(decision: Decision, worker: Worker) -> None:
    """Give a worker whose process has died another one, now or later."""
    delay = respawn_delay(worker.history.early_exits)
    if delay == 0:
        spawn_with_room(decision, worker)
        return
    decision.warn(
        "%s ended %d times in a row within %g s of starting; respawning in %g s",
        worker.name,
        worker.history.early_exits,
        YOUNG_SECONDS,
        delay,
    )
    worker.advance(WorkerTransition.WAIT)
    worker.deadline = decision.now + delay


def respawn_delay(early_exits: int) -> float:
    """Return how long to wait before the next process: not at all, then longer each time."""
    if early_exits <= 1:
        return 0.0
    return float(min(BACKOFF_SECONDS * 2 ** min(early_exits - 2, 30), BACKOFF_LIMIT_SECONDS))


def spawn_with_room(decision: Decision, worker: Worker) -> None:
    """Fork a process for a worker, or let it wait for a slot."""
    if decision.fleet.room > 0:
        workers.spawn(decision, worker)
    else:
        _make_room(decision, worker)


def _make_room(decision: Decision, worker: Worker) -> None:
    """Stop the worker that has been draining for the longest."""
    worker.advance(WorkerTransition.WAIT)  # without a deadline: until one that leaves is gone
    worker.deadline = None
    leaving = decision.fleet.leaving
    oldest = next((old for old in leaving if old.state is State.DRAINING), None)
    if oldest is not None:
        decision.warn("%s still drains and is stopped: %s needs its slot", oldest.name, worker.name)
        workers.stop(decision, oldest)
