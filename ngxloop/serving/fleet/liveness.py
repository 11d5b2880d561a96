"""Workers that hang or are old; what happens when a deadline has passed.

Hung is a worker whose loop does not turn for the hang time-out, see heartbeats.py.

Rule. Before a hung worker is killed it writes its stacks, and has DUMP_SECONDS to come back. It is
accused once: until its end was seen nothing more is said about it.
"""

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.states import State
from ngxloop.serving.base.timing import DUMP_SECONDS, RELISTEN_SECONDS
from ngxloop.serving.fleet import generations, recycling, shutdown, spawning, workers
from ngxloop.serving.fleet.actions import DumpStacks
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.events import Beat
from ngxloop.serving.fleet.names import StacksOf
from ngxloop.serving.fleet.records import Fleet, Worker

_SERVING = (State.READY, State.DRAINING)


def beat(decision: Decision, worker: Worker, event: Beat) -> None:
    """Look whether the loop of a worker turns."""
    timeout = worker.generation.settings.hang_timeout
    if not timeout or worker.state not in _SERVING or worker.is_killed:
        return
    if worker.dumped_turns is not None:
        _kill_hung(decision, worker, event)
    elif event.silence > timeout:
        _report_hung(decision, worker, event)


def _report_hung(decision: Decision, worker: Worker, event: Beat) -> None:
    """Let the worker write its stacks, and decide in a moment."""
    assert worker.id is not None
    decision.error(
        "%s (process %d): event loop blocked for %.1f s; killing it unless it recovers",
        worker.name,
        worker.process,
        event.silence,
    )
    worker.dumped_turns = event.turns
    worker.silent_seconds = event.silence
    worker.judged_at = decision.now + DUMP_SECONDS
    decision.act(DumpStacks(worker.id))


def _kill_hung(decision: Decision, worker: Worker, event: Beat) -> None:
    """Kill the worker, unless its loop goes on."""
    if decision.now < worker.judged_at:
        return
    assert worker.id is not None
    name, process = worker.name, worker.process
    turns, worker.dumped_turns = worker.dumped_turns, None
    if event.turns != turns:
        line = "%s (process %d) recovered, not killed"
        decision.show("warning", worker.id, line, name, process)
        return
    line = "%s (process %d): event loop blocked; killed; %s"
    decision.show("error", worker.id, line, name, process, StacksOf(worker.id))
    worker.exit_cause = ""
    workers.kill(
        decision, worker, f"event loop blocked for {worker.silent_seconds + DUMP_SECONDS:.1f} s"
    )


def relisten(decision: Decision, addresses: str) -> None:
    """Reload if a worker has shut a listener down; all others have stopped accepting there."""
    fleet = decision.fleet
    if decision.now < fleet.relisten_at or fleet.serving is None or fleet.coming is not None:
        return
    if fleet.is_ending:
        return
    fleet.relisten_at = decision.now + RELISTEN_SECONDS
    decision.error("%s: a worker has shut the listener down; reloading", addresses)
    generations.want_reload(decision)


# Time ----------------------------------------------------------------------------------------


def next_deadline(fleet: Fleet) -> float | None:
    """Return when a Tick has something to do."""
    found = [fleet.drain_at, fleet.retry_at]
    for worker in fleet.workers:
        found += (worker.deadline, worker.replace_at, worker.old_at, worker.reopen_at)
    return min((time for time in found if time is not None), default=None)


def tick(decision: Decision) -> None:
    """Do what is due: kill who did not end, spawn what was put off, replace who is old."""
    fleet = decision.fleet
    if fleet.drain_at is not None and fleet.drain_at <= decision.now:
        shutdown.drain(decision)
    if fleet.retry_at is not None and fleet.retry_at <= decision.now:
        generations.want_reload(decision)
    for worker in fleet.workers:
        if worker.deadline is not None and worker.deadline <= decision.now:
            _act_on_deadline(decision, worker)
        if worker.replace_at is not None and worker.replace_at <= decision.now:
            worker.replace_at = None
            recycling.want(decision, worker, worker.reason)
        if worker.old_at is not None and worker.old_at <= decision.now:
            _reach_max_lifetime(decision, worker)
        if worker.reopen_at is not None and worker.reopen_at <= decision.now:
            workers.reopen(decision, worker)


def _act_on_deadline(decision: Decision, worker: Worker) -> None:
    worker.deadline = None
    if worker.state is State.STARTING:
        _give_up_start(decision, worker)
    elif worker.state is State.BACKOFF:
        spawning.spawn_with_room(decision, worker)
    elif worker.is_live:
        workers.kill_late(decision, worker)


def _give_up_start(decision: Decision, worker: Worker) -> None:
    fleet = decision.fleet
    seconds = worker.generation.settings.start_timeout
    advice = worker.generation.settings.start_advice
    line = f"{worker.name} was not ready after {seconds:g} s; {advice}"
    worker.failure = error = StartError(ExitCode.START_TIMEOUT, line)
    workers.drain(decision, worker)  # it may be ready by now
    if fleet.coming is not None and worker in fleet.coming.workers:
        generations.generation_failed(decision, fleet.coming, error)


def _reach_max_lifetime(decision: Decision, worker: Worker) -> None:
    worker.old_at = None
    limit = worker.generation.settings.max_lifetime
    recycling.want(decision, worker, f"it has served for {limit:.0f} s")
