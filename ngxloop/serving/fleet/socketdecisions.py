"""The sockets of the generations: how many there are at an address, and when they are closed."""

from ngxloop.serving.fleet.actions import CloseListeners, SpreadReuseport
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.phases import Stage
from ngxloop.serving.fleet.records import Batch, Fleet, Generation


def spread(decision: Decision, generation: Generation) -> None:
    """Have as many sockets at an address as its mode wants; close those of the surplus."""
    fleet = decision.fleet
    if fleet.coming is not None or not generation.settings.has_own_sockets:
        return  # the coming one has its own count; and it is done again when that serves
    fleet.batch -= 1
    decision.act(SpreadReuseport(generation.number, fleet.count, fleet.batch))
    # A connection that came to one of those sockets later would wait for ever.
    surplus = generation.workers[fleet.count :]
    fleet.closing = (*fleet.closing, Batch(fleet.batch, surplus))


def close_unused(decision: Decision) -> None:
    """Close sockets that were removed from the configuration, once nobody accepts on them."""
    fleet = decision.fleet
    if not fleet.closing:
        return
    coming = {fleet.coming.number} if fleet.coming is not None else set()
    kept = frozenset({fleet.listening} | coming)
    unused = [one for one in fleet.closing if one.number not in kept and not _is_used(fleet, one)]
    if unused:
        fleet.closing = tuple(batch for batch in fleet.closing if batch not in unused)
        for batch in unused:
            decision.act(CloseListeners(batch.number, kept))


def close_all(decision: Decision) -> None:
    """Close every socket at the end; the workers that still accept have them, too."""
    fleet = decision.fleet
    open_batches = {fleet.listening, *(batch.number for batch in fleet.closing)}
    if fleet.coming is not None and fleet.coming.stage is not Stage.PREPARING:
        open_batches.add(fleet.coming.number)  # else reload_prepared() closes them
    fleet.closing = ()
    for number in sorted(open_batches, reverse=True):
        decision.act(CloseListeners(number))


def _is_used(fleet: Fleet, batch: Batch) -> bool:
    if batch.workers is not None:
        return any(worker.is_accepting for worker in batch.workers)
    live = fleet.live.values()
    return any(one.is_accepting for one in live if one.generation.number == batch.number)
