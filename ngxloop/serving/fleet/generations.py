"""Generations of workers: which one serves, which comes, which ones leave.

the first generation fails to start   the master ends; with --reload it waits for the next change
a later one fails to start            it is taken back, the one before goes on serving
one that fails while none serves      it is tried again, later each time
all of it is ready                    the one before is drained
"""

from ngxloop.serving.base.errors import StartError
from ngxloop.serving.base.timing import BACKOFF_LIMIT_SECONDS, RETRY_RELOAD_SECONDS
from ngxloop.serving.fleet import pendingorders, recycling, socketdecisions
from ngxloop.serving.fleet.actions import (
    CallHook,
    CloseListeners,
    CloseZygotes,
    Fail,
    Notice,
    Notify,
    PrepareConfig,
    PrepareWorkers,
    Report,
    Serve,
    StartZygote,
)
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.phases import Change, Move, Phase, Stage
from ngxloop.serving.fleet.records import SLOTS_FOR_A_RELOAD, Batch, Generation
from ngxloop.serving.fleet.settings import Settings

_WAITING = "no workers serve: --reload waits for a file to change"


def begin(decision: Decision, generation: Generation, count: int) -> None:
    """Start the workers of the coming generation, or load its application for them first."""
    fleet = decision.fleet
    fleet.number = generation.number
    fleet.count = count
    decision.act(PrepareWorkers(generation.number, count))
    for _ in range(count):
        generation.add()
    if generation.settings.is_preloaded:
        generation.move(Move.LOAD)
        decision.act(StartZygote(generation.number))
    else:
        generation.move(Move.START)


def start(decision: Decision, settings: Settings, count: int) -> None:
    """Start the first generation."""
    fleet = decision.fleet
    if fleet.phase is Phase.STARTING and fleet.coming is None:
        fleet.settings = settings
        fleet.coming = Generation(fleet.journal, 1, settings)
        begin(decision, fleet.coming, count)


def zygote_ready(decision: Decision, number: int) -> None:
    """The application of a generation is loaded; its workers can be forked."""
    coming = decision.fleet.coming
    if coming is not None and coming.number == number and not decision.fleet.is_leaving:
        coming.move(Move.START)


def zygote_failed(decision: Decision, number: int, error: StartError) -> None:
    """The application cannot be loaded."""
    coming = decision.fleet.coming
    if coming is None or coming.number != number or decision.fleet.is_leaving:
        return
    if coming.stage is Stage.LOADING:  # else workers load it themselves from now on
        generation_failed(decision, coming, error)


# Reload --------------------------------------------------------------------------------------


def want_reload(decision: Decision) -> None:
    """Reload as soon as there is room."""
    decision.fleet.is_reload_wanted = True
    decision.fleet.retry_at = None


def start_wanted_reload(decision: Decision) -> None:
    """Begin the reload that was asked for, if the last one is over and there is room."""
    fleet = decision.fleet
    if not fleet.is_reload_wanted or fleet.coming is not None or fleet.is_leaving:
        return
    if fleet.room < SLOTS_FOR_A_RELOAD * fleet.count:
        if not fleet.is_delay_logged:
            fleet.is_delay_logged = True
            decision.info("the reload waits: %d old workers still drain", len(fleet.leaving))
        return
    fleet.is_reload_wanted = fleet.is_delay_logged = False
    fleet.retry_at = None
    fleet.begun_reloads, fleet.asked_reloads = fleet.asked_reloads, ()
    number = fleet.number + 1
    fleet.coming = Generation(fleet.journal, number, fleet.settings)
    decision.act(Notify(Notice.RELOADING))
    decision.act(PrepareConfig(number, fleet.count, is_kept=bool(fleet.new_master)))


def reload_prepared(decision: Decision, number: int, settings: Settings, count: int) -> None:
    """The configuration of the coming generation is read."""
    fleet, coming = decision.fleet, decision.fleet.coming
    if coming is None or coming.number != number or coming.stage is not Stage.PREPARING:
        return
    if fleet.is_leaving:  # told to end meanwhile; close_all() has left these open
        fleet.coming = None
        decision.act(CloseListeners(number))
        return
    coming.settings = settings
    decision.info("reloading: generation %d starts", number)
    decision.act(CallHook(number, "on_reload"))
    begin(decision, coming, count)


def reload_refused(decision: Decision, number: int, error: StartError) -> None:
    """The configuration of the coming generation cannot be used."""
    fleet = decision.fleet
    if fleet.coming is None or fleet.coming.number != number:
        return
    if fleet.coming.stage is Stage.PREPARING:
        fleet.coming = None
        if not fleet.is_leaving:
            _reload_failed(decision, error)
    elif not fleet.is_leaving:
        generation_failed(decision, fleet.coming, error)


def workers_not_prepared(decision: Decision, number: int, error: StartError) -> None:
    """The workers of the coming generation cannot have what they need."""
    coming = decision.fleet.coming
    if coming is not None and coming.number == number and not decision.fleet.is_leaving:
        generation_failed(decision, coming, error)


def decide_coming(decision: Decision) -> None:
    """Let the coming generation serve when all of it is ready."""
    fleet = decision.fleet
    coming = fleet.coming
    if coming is not None and coming.stage is Stage.STARTING and coming.is_ready:
        _accept(decision, coming)


def _accept(decision: Decision, coming: Generation) -> None:
    """All of the new generation is ready: it serves, the one before leaves."""
    fleet = decision.fleet
    old, fleet.serving, fleet.coming = fleet.serving, coming, None
    coming.move(Move.SERVE)
    fleet.change(Change.SERVE)
    fleet.settings = coming.settings
    fleet.listening = coming.number
    fleet.retry_count = 0
    if old is not None:
        decision.info("reloaded: generation %d serves, %d drains", coming.number, old.number)
        fleet.closing = (*fleet.closing, Batch(old.number))
        drain_all(decision, old)
    if coming.number > 1:
        fleet.reloads_ok += 1
    decision.act(Serve(coming.number, is_first=not fleet.has_served))
    fleet.has_served = True
    pendingorders.answer_reloads(decision)
    scale(decision, fleet.count)


def generation_failed(decision: Decision, coming: Generation, error: StartError) -> None:
    """Decide what follows if the coming generation cannot serve.

    It is taken back, and the reload has failed; without one before it the master ends, or waits.
    """
    fleet = decision.fleet
    if fleet.phase is Phase.STARTING and fleet.settings.is_watched and not fleet.is_shared:
        _await_change(decision, coming, error)
        return
    if fleet.phase is not Phase.STARTING:
        _withdraw(decision, coming)
        _reload_failed(decision, error)
        return
    fleet.coming = None
    drain_all(decision, coming)
    fleet.change(Change.DRAIN)
    fleet.told_at = decision.now
    pendingorders.answer_all(decision)
    decision.act(CloseListeners(coming.number))
    decision.act(Fail(error, is_last=True))


def _await_change(decision: Decision, coming: Generation, error: StartError) -> None:
    """Keep the sockets of the first generation, and reload when a file has changed."""
    fleet = decision.fleet
    fleet.coming = None
    fleet.change(Change.STOP_WORKERS)
    fleet.closing = (*fleet.closing, Batch(coming.number))
    drain_all(decision, coming)
    decision.act(Report(error))
    decision.error("%s", _WAITING)


def _withdraw(decision: Decision, coming: Generation) -> None:
    """Let the workers of a coming generation go; all is as before its reload."""
    fleet = decision.fleet
    fleet.coming = None
    drain_all(decision, coming)
    if fleet.serving is not None:
        fleet.count = len(fleet.serving.workers)
    decision.act(CloseListeners(coming.number, frozenset({fleet.listening})))


def _reload_failed(decision: Decision, error: StartError) -> None:
    """Log and count it, answer those who wait for it; while no workers serve, try again later."""
    fleet = decision.fleet
    decision.act(Report(error))
    if fleet.serving is not None:
        decision.error("reload failed: generation %d goes on serving", fleet.serving.number)
    elif fleet.settings.is_watched and not fleet.has_served:
        decision.error("%s", _WAITING)
    else:  # resting, and somebody has ordered workers again
        delay = min(RETRY_RELOAD_SECONDS * 2.0 ** min(fleet.retry_count, 30), BACKOFF_LIMIT_SECONDS)
        fleet.retry_at = decision.now + delay
        fleet.retry_count += 1
        decision.error("reload failed: no workers serve; it is tried again in %g s", delay)
    fleet.reloads_failed += 1
    fleet.reload_error = error.line
    decision.act(Notify(Notice.SERVING))
    pendingorders.answer_reloads(decision, error.line)


# The number of workers -----------------------------------------------------------------------


def scale(decision: Decision, count: int) -> None:
    """Let that many workers serve."""
    fleet = decision.fleet
    fleet.count = count
    generation = fleet.serving
    if generation is None or fleet.is_leaving:
        return  # it is done when the coming one serves
    surplus = generation.workers[count:]
    socketdecisions.spread(decision, generation)
    if len(generation.workers) < count:
        decision.act(PrepareWorkers(generation.number, count))
    while len(generation.workers) < count:
        generation.add()
    generation.workers = generation.workers[:count]
    for worker in surplus:
        recycling.forget(decision, worker)
        recycling.drain(decision, worker)


# Leaving -------------------------------------------------------------------------------------


def stop_workers(decision: Decision) -> str:
    """Drain all workers; the sockets stay open, connections wait for a reload.

    Return why that is impossible, empty if it is done.
    """
    fleet, coming = decision.fleet, decision.fleet.coming
    if fleet.phase is Phase.STARTING:
        return "the first workers are starting"
    if coming is not None and coming.stage is Stage.PREPARING:
        return "a reload is beginning"
    decision.info("resting: workers drain, the sockets stay open; HUP starts workers again")
    fleet.is_reload_wanted = fleet.is_delay_logged = False
    fleet.retry_at, fleet.retry_count = None, 0
    pendingorders.refuse_reloads(decision, "another command has stopped the workers")
    if coming is not None:
        _withdraw(decision, coming)
        decision.act(Notify(Notice.SERVING))
    if fleet.serving is not None and fleet.change(Change.STOP_WORKERS):
        old, fleet.serving = fleet.serving, None
        fleet.closing = (*fleet.closing, Batch(old.number))
        drain_all(decision, old)
    return ""


def drain_all(decision: Decision, generation: Generation) -> None:
    """Let the workers of a generation go."""
    generation.move(Move.DRAIN)
    recycling.forget_all(decision, generation)
    decision.act(CloseZygotes(generation.number))
    for worker in generation.workers:
        recycling.drain(decision, worker)
