"""What the events of a worker mean for all of them.

a worker that serves dies             another takes its place, later each time it dies young
a worker is to be replaced            its replacement is ready before it drains
a worker of a coming generation dies  the generation has failed
"""

import signal

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.states import State, WorkerTransition
from ngxloop.serving.base.timing import LIFETIME_SPREAD, REOPEN_SECONDS
from ngxloop.serving.fleet import generations, pendingorders, recycling, spawning, workers
from ngxloop.serving.fleet.actions import Report, WorkerOrder
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.events import (
    Draining,
    Exited,
    Failed,
    Malformed,
    MaxRequestsReached,
    OrderLost,
    Ready,
    RssExceeded,
    Spawned,
    SpawnFailed,
)
from ngxloop.serving.fleet.records import Generation, Worker

# Multiples of it are spread evenly over 0 to 1, in whatever order: the golden ratio.
_SPREAD = 0.6180339887498949


def on_spawned(decision: Decision, worker: Worker, event: Spawned) -> None:
    """Begin to count its time."""
    workers.spawned(decision, worker)


def on_spawn_failed(decision: Decision, worker: Worker, event: SpawnFailed) -> None:
    """Count a fork that fails as a young end."""
    name, old = worker.name, worker.predecessor
    workers.detach(decision, worker)
    if old is not None:
        if event.is_explained:
            decision.error("cannot fork a successor of %s: %s", old.name, event.reason)
        recycling.replacement_lost(decision, worker)
        return
    if event.is_explained and not worker.is_leaving:
        decision.error("cannot fork %s: %s", name, event.reason)
    worker.history.early_exits += 1
    _on_lost(
        decision, worker, StartError(ExitCode.START_FAILED, f"cannot fork {name}: {event.reason}")
    )


def on_ready(decision: Decision, worker: Worker, event: Ready) -> None:
    """Let it serve."""
    if not worker.advance(WorkerTransition.READY):
        if worker.state is State.DRAINING:  # it was told to before we knew that it served
            workers.limit_drain(worker)
        return
    worker.deadline = None
    worker.ready_at = decision.now
    decision.info("%s ready (process %d)", worker.name, worker.process)
    limit = worker.generation.settings.max_lifetime
    if limit:  # each lives for another time
        assert worker.id is not None
        spread = LIFETIME_SPREAD * (worker.id.incarnation * _SPREAD % 1.0)
        worker.old_at = decision.now + limit * (1 + spread)
    if worker.predecessor is not None:
        recycling.replacement_ready(decision, worker)


def on_draining(decision: Decision, worker: Worker, event: Draining) -> None:
    """Replace it if it drains by itself, later if workers do so young again and again."""
    worker.is_accepting = False
    if not worker.advance(WorkerTransition.DRAIN):
        return  # it was told to
    workers.begin_drain(decision, worker)
    workers.limit_drain(worker)
    decision.info("%s (process %d) drains without order; respawning", worker.name, worker.process)
    workers.count_exit(decision, worker)
    if worker.predecessor is not None:
        recycling.leave(decision, worker)
        recycling.replacement_lost(decision, worker)
        return
    replacement = recycling.promote(decision, worker)
    generation = worker.generation
    if _has_slot(decision, worker):
        recycling.leave(decision, worker)
        generation.put(replacement or generation.replacement(worker))


def on_failed(decision: Decision, worker: Worker, event: Failed) -> None:
    """Remember why it could not start; its end follows."""
    worker.failure = event.error


def on_max_requests(decision: Decision, worker: Worker, event: MaxRequestsReached) -> None:
    """Replace it."""
    recycling.want_after_max_requests(decision, worker)


def on_rss_exceeded(decision: Decision, worker: Worker, event: RssExceeded) -> None:
    """Replace it."""
    reason = f"it uses {event.size:.0f} MiB, more than {event.limit:g}"
    recycling.want(decision, worker, reason)


def on_order_lost(decision: Decision, worker: Worker, event: OrderLost) -> None:
    """Give an order again that no signal stands for; ACCEPT is no use without a loop that turns."""
    if event.order is WorkerOrder.REOPEN:
        worker.reopen_at = decision.now + REOPEN_SECONDS


def on_malformed(decision: Decision, worker: Worker, event: Malformed) -> None:
    """End it; its place is filled when it is gone."""
    workers.evict(decision, worker, event.reason)


def on_exited(decision: Decision, worker: Worker, event: Exited) -> None:
    """Decide what its death means."""
    workers.gone(decision, worker, event)
    advice = "start the application by itself to see why"
    line = f"{worker.name} {event.reason} while starting; {advice}"
    error = worker.failure or StartError(ExitCode.START_TIMEOUT, line)
    is_first_term = event.code == -signal.SIGTERM and _is_first_death(worker)
    coming = _coming_of(decision, worker)
    if coming is not None and is_first_term and not decision.fleet.is_leaving:
        return  # no fault of the application; our own TERM may be on its way as well
    _on_lost(decision, worker, error)


def _on_lost(decision: Decision, worker: Worker, error: StartError) -> None:
    """A worker has no process any more, or did not get one; reconcile() fills its place."""
    fleet = decision.fleet
    if worker.is_leaving:
        fleet.leaving = tuple(one for one in fleet.leaving if one is not worker)
    elif fleet.is_leaving:
        return
    elif (coming := _coming_of(decision, worker)) is not None:
        generations.generation_failed(decision, coming, error)
    elif worker.predecessor is not None:
        decision.act(Report(error))
        recycling.replacement_lost(decision, worker)
    else:
        if worker.failure is not None:
            decision.act(Report(worker.failure))
        if worker.ready_at is None:
            pendingorders.fail_scales(decision, error.line)
        _refill(decision, worker)


def _refill(decision: Decision, worker: Worker) -> None:
    """Give its place to the replacement that comes already, or to another process of its own."""
    replacement = recycling.promote(decision, worker)
    if replacement is not None:
        worker.generation.put(replacement)
    else:
        spawning.spawn_again(decision, worker)


def _coming_of(decision: Decision, worker: Worker) -> Generation | None:
    """Return the coming generation if the worker is one of its."""
    coming = decision.fleet.coming
    return coming if coming is not None and worker in coming.workers else None


def _has_slot(decision: Decision, worker: Worker) -> bool:
    fleet = decision.fleet
    found = (fleet.serving, fleet.coming)
    return any(one is not None and worker in one.workers for one in found)


def _is_first_death(worker: Worker) -> bool:
    return worker.failure is None and worker.history.early_exits == 1
