"""One worker: spawned, drained, stopped, killed, gone.

Rule. Every worker with a process has a deadline, but one that serves. It is killed then, whatever
was lost on the way.
"""

import signal

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.states import INTERRUPTED, State, WorkerTransition
from ngxloop.serving.base.timing import (
    KILL_AGAIN_SECONDS,
    KILL_SECONDS,
    STACK_SECONDS,
    STOP_SECONDS,
    YOUNG_SECONDS,
)
from ngxloop.serving.fleet.actions import (
    CallHook,
    DropShared,
    DumpStacks,
    Kill,
    Release,
    Send,
    Spawn,
    WorkerOrder,
)
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.events import Exited
from ngxloop.serving.fleet.names import StacksOf, WorkerId
from ngxloop.serving.fleet.records import Worker
from ngxloop.serving.options.values import MAX_SECONDS

_DRAINED = (0, INTERRUPTED, -signal.SIGINT, -signal.SIGTERM)


def spawn(decision: Decision, worker: Worker) -> None:
    """Have a process forked for a worker without one; there is a free slot."""
    fleet = decision.fleet
    slot = min(fleet.free_slots)
    fleet.free_slots -= {slot}
    fleet.incarnation += 1
    worker.id = WorkerId(slot, fleet.incarnation)
    fleet.live = {**fleet.live, worker.id: worker}
    worker.advance(WorkerTransition.SPAWN)
    worker.deadline = decision.now + worker.generation.settings.start_timeout
    worker.ready_at = worker.old_at = worker.failure = worker.drain_seconds = None
    worker.is_accepting = True
    worker.is_end_counted = worker.is_killed = worker.is_shown = False
    worker.exit_cause = worker.reason = ""
    worker.replace_at = worker.reopen_at = worker.dumped_turns = None
    decision.act(Spawn(worker.id, worker.generation.number, worker.number))


def spawned(decision: Decision, worker: Worker) -> None:
    """Its process is there; its time begins now."""
    worker.started_at = decision.now
    worker.history.spawn_count += 1
    if worker.state is State.STARTING:
        worker.deadline = decision.now + worker.generation.settings.start_timeout
    decision.debug("%s started, process %d", worker.name, worker.process)


def drain(
    decision: Decision, worker: Worker, seconds: float | None = None, *, is_last: bool = False
) -> None:
    """Let a worker finish what it does; one that does not serve yet ends.

    Args:
        decision: What follows.
        worker: Which one.
        seconds: How long it may take; without, as long as its configuration says.
        is_last: Nobody accepts from its sockets after it, so it takes what waits there.
    """
    is_starting = worker.state is State.STARTING
    if not worker.advance(WorkerTransition.DRAIN):
        return
    worker.deadline = None
    begin_drain(decision, worker, seconds)
    if worker.id is None:
        return
    if is_last:
        decision.act(Send(worker.id, WorkerOrder.ACCEPT))
    # One that starts may have accepted connections already, and its READY be on its way: that is
    # why it gets the order to drain, and the time for it once the READY is here. A worker that
    # still imports its application reads no orders.
    decision.act(Send(worker.id, WorkerOrder.DRAIN, seconds, is_signalled=is_starting))
    if is_starting:
        worker.deadline = worker.drain_began_at + min(_drain_limit(worker), STOP_SECONDS)
    else:
        limit_drain(worker)


def begin_drain(decision: Decision, worker: Worker, seconds: float | None = None) -> None:
    """Let the time run that a worker has for its drain; by default as configured."""
    worker.drain_began_at = decision.now
    worker.drain_seconds = seconds


def limit_drain(worker: Worker) -> None:
    """Have a deadline for the end of a drain."""
    worker.deadline = worker.drain_began_at + _drain_limit(worker)


def _drain_limit(worker: Worker) -> float:
    seconds = worker.drain_seconds
    if seconds is None:
        seconds = worker.generation.settings.graceful_timeout
    return min(seconds, MAX_SECONDS) + KILL_SECONDS


def stop(decision: Decision, worker: Worker) -> None:
    """Let a worker end now: an order for its loop, a signal if it has none yet, then KILL."""
    if not worker.advance(WorkerTransition.STOP):
        return
    worker.deadline = None
    if worker.id is not None:
        decision.act(Send(worker.id, WorkerOrder.STOP, is_signalled=True))
        worker.deadline = decision.now + STOP_SECONDS


def reopen(decision: Decision, worker: Worker) -> None:
    """Let a worker open its log files again."""
    if worker.id is not None:
        worker.reopen_at = None
        decision.act(Send(worker.id, WorkerOrder.REOPEN))


def evict(decision: Decision, worker: Worker, reason: str) -> None:
    """End a worker that has sent an invalid message."""
    if worker.state is State.STARTING:
        worker.failure = StartError(ExitCode.START_FAILED, f"{worker.name} was ended: {reason}")
    elif worker.is_live and worker.state is not State.STOPPING:
        decision.error("%s (process %d) is ended: %s", worker.name, worker.process, reason)
    worker.exit_cause = worker.exit_cause or reason
    stop(decision, worker)


def kill(decision: Decision, worker: Worker, exit_cause: str) -> None:
    """End a process now, and again after a while if it is still there."""
    assert worker.id is not None
    worker.exit_cause = worker.exit_cause or exit_cause
    worker.is_killed = True
    worker.deadline = decision.now + KILL_AGAIN_SECONDS
    decision.act(Kill(worker.id))


def kill_late(decision: Decision, worker: Worker) -> None:
    """End a process that did not end when it was told to; first it writes what it waits for."""
    assert worker.id is not None
    if not worker.is_shown and not worker.is_killed:
        worker.is_shown = True
        worker.deadline = decision.now + STACK_SECONDS
        decision.act(DumpStacks(worker.id))
        return
    if not worker.is_killed:
        line = "%s (process %d) did not exit in time; killed; %s"
        stacks = StacksOf(worker.id)
        decision.show("warning", worker.id, line, worker.name, worker.process, stacks)
    kill(decision, worker, "did not exit in time")


def gone(decision: Decision, worker: Worker, event: Exited) -> None:
    """Empty the record of a process that has ended, and free its slot."""
    assert worker.id is not None
    code, reason = event.code, event.reason
    is_news = worker.failure is None and not _is_wanted(worker.state, code)
    log = decision.warn if is_news else decision.debug
    log("%s (process %d) %s", worker.name, worker.process, reason)
    generation, number = worker.generation.number, worker.number
    worker.history.last_exit = f"{worker.exit_cause}: {reason}" if worker.exit_cause else reason
    count_exit(decision, worker)
    decision.act(Release(worker.id))
    detach(decision, worker)
    drop_unused_sockets(decision)
    decision.act(CallHook(generation, "child_exit", (number, code, event.pid)))


def detach(decision: Decision, worker: Worker) -> None:
    """Be without a process."""
    fleet = decision.fleet
    assert worker.id is not None
    fleet.free_slots |= {worker.id.slot}
    fleet.live = {name: one for name, one in fleet.live.items() if one is not worker}
    worker.advance(WorkerTransition.EXIT)
    worker.id = worker.deadline = worker.reopen_at = worker.dumped_turns = None
    worker.is_accepting = False


def drop_unused_sockets(decision: Decision) -> None:
    """Close what the programs of older generations wanted, once those are gone."""
    live = decision.fleet.live.values()
    # One that starts has not asked for all of its sockets yet.
    if live and all(worker.state is not State.STARTING for worker in live):
        decision.act(DropShared(min(worker.generation.number for worker in live)))


def is_young(decision: Decision, worker: Worker) -> bool:
    """Say whether the process is not ready yet, or was not ready YOUNG_SECONDS ago."""
    return worker.ready_at is None or decision.now - worker.ready_at < YOUNG_SECONDS


def count_exit(decision: Decision, worker: Worker) -> None:
    """Count a process that ends young; once for each, when it ends or drains by itself."""
    if not worker.is_end_counted:
        worker.is_end_counted = True
        history = worker.history
        history.early_exits = history.early_exits + 1 if is_young(decision, worker) else 0


def _is_wanted(state: State, code: int | None) -> bool:
    """Say whether a worker ended because, and as, it was told to; by the same Ctrl-C, perhaps."""
    if state is State.DRAINING:  # TERM kills one that has not begun to serve
        return code in _DRAINED
    return state is State.STOPPING
