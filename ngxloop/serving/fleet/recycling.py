"""Workers that have served long enough are replaced: the replacement is ready before one drains.

Rule. At most a quarter of the workers, but one at least, are being replaced at a time: their
replacements start or they drain. So memory grows by a quarter at most, and workers that became old
together do not leave together.
"""

from ngxloop.serving.base.states import State
from ngxloop.serving.base.timing import BACKOFF_LIMIT_SECONDS, YOUNG_SECONDS
from ngxloop.serving.fleet import spawning, workers
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.records import Generation, Worker


def want(decision: Decision, worker: Worker, reason: str, delay: float = 0.0) -> None:
    """Replace a worker, after a delay and as soon as it is its turn."""
    fleet = decision.fleet
    if worker.state is not State.READY or worker.replace_at is not None:
        return
    if worker in fleet.wanted or replacement_of(decision, worker) is not None:
        return
    worker.reason = reason
    if delay:
        worker.replace_at = decision.now + delay
    else:
        fleet.wanted = (*fleet.wanted, worker)


def want_after_max_requests(decision: Decision, worker: Worker) -> None:
    """Replace a worker that asks for it, with back-off: only it knows how much it has served."""
    history = worker.history
    history.young_max_requests = (
        history.young_max_requests + 1 if workers.is_young(decision, worker) else 0
    )
    delay = min(spawning.respawn_delay(history.young_max_requests), YOUNG_SECONDS)
    if delay:
        decision.warn(
            "%s has served --max-requests within %g s of starting, %d times in a row; a "
            "successor starts in %g s",
            worker.name,
            YOUNG_SECONDS,
            history.young_max_requests,
            delay,
        )
    want(decision, worker, "it has served as many requests as it may", delay)


def replace_wanted(decision: Decision) -> None:
    """Start as many replacements as there may be."""
    fleet = decision.fleet
    if any(not worker.is_live for worker in fleet.replaced):
        fleet.replaced = tuple(worker for worker in fleet.replaced if worker.is_live)
    if fleet.coming is not None or fleet.serving is None or fleet.is_leaving:
        return  # a reload replaces all of them
    limit = max(1, fleet.count // 4)
    while fleet.wanted and len(fleet.replacements) + len(fleet.replaced) < limit:
        worker, *others = fleet.wanted
        fleet.wanted = tuple(others)
        if worker.state is State.READY:
            _replace(decision, worker)


def replacement_ready(decision: Decision, replacement: Worker) -> None:
    """Put it where the old one stands, which drains now."""
    fleet, old = decision.fleet, replacement.predecessor
    assert old is not None
    _end_replacement(decision, replacement)
    fleet.replacement_failures = 0
    old.generation.put(replacement)
    fleet.replaced = (*fleet.replaced, old)
    drain(decision, old)


def replacement_lost(decision: Decision, replacement: Worker) -> None:
    """Leave the old one where it is, and try again later."""
    old = replacement.predecessor
    assert old is not None
    _end_replacement(decision, replacement)
    _try_later(decision, old)


def replacement_of(decision: Decision, old: Worker) -> Worker | None:
    """Return the worker that starts to take the place of this one."""
    return next((one for one in decision.fleet.replacements if one.predecessor is old), None)


def promote(decision: Decision, old: Worker) -> Worker | None:
    """Return the replacement of a worker that is gone, or leaves; it stands for itself now."""
    fleet = decision.fleet
    if old in fleet.wanted:
        fleet.wanted = tuple(worker for worker in fleet.wanted if worker is not old)
    old.replace_at = None
    replacement = replacement_of(decision, old)
    if replacement is not None:
        _end_replacement(decision, replacement)
    return replacement


def forget(decision: Decision, old: Worker) -> None:
    """Nobody is to follow this worker; who comes already is sent away."""
    replacement = promote(decision, old)
    if replacement is not None:
        drain(decision, replacement)


def forget_all(decision: Decision, generation: Generation) -> None:
    """The whole generation goes."""
    for worker in generation.workers:
        forget(decision, worker)


def drain(decision: Decision, worker: Worker) -> None:
    """Let a worker go that nobody replaces, or whose replacement is there."""
    leave(decision, worker)
    workers.drain(decision, worker)


def leave(decision: Decision, worker: Worker) -> None:
    """Have no place any more; the process is still there."""
    if worker.is_live and not worker.is_leaving:
        worker.is_leaving = True
        decision.fleet.leaving = (*decision.fleet.leaving, worker)


def _end_replacement(decision: Decision, replacement: Worker) -> None:
    """Be no replacement any more."""
    fleet = decision.fleet
    fleet.replacements = tuple(worker for worker in fleet.replacements if worker is not replacement)
    replacement.predecessor = None


def _replace(decision: Decision, worker: Worker) -> None:
    fleet = decision.fleet
    decision.info("%s (process %d) is replaced: %s", worker.name, worker.process, worker.reason)
    worker.exit_cause = worker.reason
    if not fleet.free_slots:
        decision.error(
            "cannot fork a successor of %s: too many workers are still draining", worker.name
        )
        _try_later(decision, worker)
        return
    replacement = worker.generation.replacement(worker)
    replacement.predecessor = worker
    fleet.replacements = (*fleet.replacements, replacement)
    workers.spawn(decision, replacement)


def _try_later(decision: Decision, worker: Worker) -> None:
    fleet = decision.fleet
    if worker.state is not State.READY:
        return
    seconds = min(2.0**fleet.replacement_failures, BACKOFF_LIMIT_SECONDS)
    fleet.replacement_failures += 1
    worker.exit_cause = ""
    decision.warn("%s goes on serving; a successor is tried again in %g s", worker.name, seconds)
    want(decision, worker, worker.reason, seconds)
