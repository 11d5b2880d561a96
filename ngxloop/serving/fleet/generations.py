"""Generations of workers: which one serves, which comes, whose sockets are closed.

the first generation fails to start   the master ends
a later one fails to start            it is taken back, the one before goes on serving
all of it is ready                    the one before is drained
"""

from ngxloop.serving.errors import StartError
from ngxloop.serving.fleet import recycling, requests
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
    SpreadReuseport,
    StartZygote,
)
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.phases import Change, Move, Phase, Stage
from ngxloop.serving.fleet.records import SLOTS_FOR_A_RELOAD, Batch, Fleet, Generation
from ngxloop.serving.fleet.settings import Settings


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
        generation.move(Move.FILL)


def start(decision: Decision, settings: Settings, count: int) -> None:
    """Start the first generation."""
    fleet = decision.fleet
    if fleet.phase is Phase.STARTING and fleet.coming is None:
        fleet.settings = settings
        fleet.coming = Generation(fleet.journal, 1, settings)
        begin(decision, fleet.coming, count)


def loaded(decision: Decision, number: int) -> None:
    """The application of a generation is loaded; its workers can be forked."""
    coming = decision.fleet.coming
    if coming is not None and coming.number == number and not decision.fleet.is_leaving:
        coming.move(Move.FILL)


def not_loaded(decision: Decision, number: int, error: StartError) -> None:
    """It cannot be."""
    coming = decision.fleet.coming
    if coming is None or coming.number != number or decision.fleet.is_leaving:
        return
    if coming.stage is Stage.LOADING:  # else workers load it themselves from now on
        reject(decision, coming, error)


# Reload --------------------------------------------------------------------------------------


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
    fleet.begun_reloads, fleet.asked_reloads = fleet.asked_reloads, ()
    number = fleet.number + 1
    fleet.coming = Generation(fleet.journal, number, fleet.settings)
    decision.act(Notify(Notice.RELOADING))
    decision.act(PrepareConfig(number, fleet.count, is_kept=bool(fleet.new_master)))


def prepared(decision: Decision, number: int, settings: Settings, count: int) -> None:
    """The configuration of the coming generation is read."""
    fleet, coming = decision.fleet, decision.fleet.coming
    if coming is None or coming.number != number or coming.stage is not Stage.PREPARING:
        return
    if fleet.is_leaving:  # told to end meanwhile, when nothing was open yet; see close_all_listeners
        fleet.coming = None
        decision.act(CloseListeners(number))
        return
    coming.settings = settings
    decision.info("reloading: generation %d starts", number)
    decision.act(CallHook(number, "on_reload"))
    begin(decision, coming, count)


def refused(decision: Decision, number: int, error: StartError) -> None:
    """It cannot be used."""
    fleet = decision.fleet
    if fleet.coming is None or fleet.coming.number != number:
        return
    if fleet.coming.stage is Stage.PREPARING:
        fleet.coming = None
        if not fleet.is_leaving:
            _report_failed_reload(decision, error)
    elif not fleet.is_leaving:
        reject(decision, fleet.coming, error)


def not_prepared(decision: Decision, number: int, error: StartError) -> None:
    """Its workers cannot have what they need."""
    coming = decision.fleet.coming
    if coming is not None and coming.number == number and not decision.fleet.is_leaving:
        reject(decision, coming, error)


def decide_coming(decision: Decision) -> None:
    """Let the coming generation serve when all of it is ready."""
    fleet = decision.fleet
    coming = fleet.coming
    if coming is not None and coming.stage is Stage.FILLING and coming.is_ready:
        _accept(decision, coming)


def _accept(decision: Decision, coming: Generation) -> None:
    """All of the new generation is ready: it serves, the one before leaves."""
    fleet = decision.fleet
    old, fleet.serving, fleet.coming = fleet.serving, coming, None
    coming.move(Move.SERVE)
    fleet.change(Change.SERVE)
    fleet.settings = coming.settings
    fleet.listening = coming.number
    if old is not None:
        decision.info("reloaded: generation %d serves, %d drains", coming.number, old.number)
        fleet.retired = (*fleet.retired, Batch(old.number))
        dismiss_all(decision, old)
    if coming.number > 1:
        fleet.reloads_ok += 1
    decision.act(Serve(coming.number, is_first=coming.number == 1))
    requests.answer_reloads(decision)
    scale(decision, fleet.count)


def reject(decision: Decision, coming: Generation, error: StartError) -> None:
    """The new generation cannot serve: take it back; without one before it, end."""
    fleet = decision.fleet
    fleet.coming = None
    dismiss_all(decision, coming)
    if fleet.phase is Phase.STARTING:
        fleet.change(Change.DRAIN)
        fleet.told_at = decision.now
        requests.answer_all(decision)
        decision.act(CloseListeners(coming.number))
        decision.act(Fail(error, is_last=True))
        return
    if fleet.serving is not None:
        fleet.count = len(fleet.serving.workers)
    decision.act(CloseListeners(coming.number, frozenset({fleet.listening})))
    _report_failed_reload(decision, error)


def _report_failed_reload(decision: Decision, error: StartError) -> None:
    fleet = decision.fleet
    decision.act(Report(error))
    number = fleet.serving.number if fleet.serving else 0
    decision.error("reload failed: generation %d goes on serving", number)
    fleet.reloads_failed += 1
    fleet.reload_error = error.line
    decision.act(Notify(Notice.SERVING))
    requests.answer_reloads(decision, error.line)


# The number of workers -----------------------------------------------------------------------


def scale(decision: Decision, count: int) -> None:
    """Let that many workers serve."""
    fleet = decision.fleet
    fleet.count = count
    generation = fleet.serving
    if generation is None or fleet.is_leaving:
        return  # it is done when the coming one serves
    surplus = generation.workers[count:]
    _spread(decision, generation)
    if len(generation.workers) < count:
        decision.act(PrepareWorkers(generation.number, count))
    while len(generation.workers) < count:
        generation.add()
    generation.workers = generation.workers[:count]
    for worker in surplus:
        recycling.forget(decision, worker)
        recycling.dismiss(decision, worker)


def _spread(decision: Decision, generation: Generation) -> None:
    """Have as many sockets at an address as its mode wants; close those of the surplus."""
    fleet = decision.fleet
    if fleet.coming is not None or not generation.settings.has_own_sockets:
        return  # the coming one has its own count; and it is done again when that serves
    fleet.batch -= 1
    decision.act(SpreadReuseport(generation.number, fleet.count, fleet.batch))
    # A connection that came to one of those sockets later would wait for ever.
    surplus = generation.workers[fleet.count :]
    fleet.retired = (*fleet.retired, Batch(fleet.batch, surplus))


# Leaving -------------------------------------------------------------------------------------


def rest(decision: Decision) -> None:
    """Drain all workers; the sockets stay open, connections wait for a reload."""
    fleet = decision.fleet
    if fleet.serving is not None and fleet.coming is None and fleet.change(Change.REST):
        old, fleet.serving = fleet.serving, None
        fleet.retired = (*fleet.retired, Batch(old.number))
        dismiss_all(decision, old)


def dismiss_all(decision: Decision, generation: Generation) -> None:
    """Let the workers of a generation go."""
    generation.move(Move.RETIRE)
    recycling.forget_all(decision, generation)
    decision.act(CloseZygotes(generation.number))
    for worker in generation.workers:
        recycling.dismiss(decision, worker)


def close_unused_listeners(decision: Decision) -> None:
    """Close sockets that were removed from the configuration, once nobody accepts on them."""
    fleet = decision.fleet
    if not fleet.retired:
        return
    coming = {fleet.coming.number} if fleet.coming is not None else set()
    kept = frozenset({fleet.listening} | coming)
    unused = [one for one in fleet.retired if one.number not in kept and not _is_used(fleet, one)]
    if unused:
        fleet.retired = tuple(batch for batch in fleet.retired if batch not in unused)
        for batch in unused:
            decision.act(CloseListeners(batch.number, kept))


def close_all_listeners(decision: Decision) -> None:
    """Close every socket at the end; the workers that still accept have them, too."""
    fleet = decision.fleet
    open_batches = {fleet.listening, *(batch.number for batch in fleet.retired)}
    if fleet.coming is not None and fleet.coming.stage is not Stage.PREPARING:
        open_batches.add(fleet.coming.number)  # else prepared() closes them
    fleet.retired = ()
    for number in sorted(open_batches, reverse=True):
        decision.act(CloseListeners(number))


def _is_used(fleet: Fleet, batch: Batch) -> bool:
    if batch.workers is not None:
        return any(worker.is_accepting for worker in batch.workers)
    live = fleet.live.values()
    return any(one.is_accepting for one in live if one.generation.number == batch.number)
