"""Orders that wait for an outcome: of a reload, of a number of workers, of an upgrade."""

from collections.abc import Iterable

from ngxloop.serving.base.states import State
from ngxloop.serving.fleet.actions import Reply
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.records import Request

_ENDING = "the master ends"


def reply(decision: Decision, request: int, problem: str = "") -> None:
    """Answer one request; 0 is an order that does not wait for an answer."""
    if request:
        decision.act(Reply(request, problem))


def await_reload(decision: Decision, request: int) -> None:
    """Answer when the reload that is wanted now is over."""
    decision.fleet.asked_reloads = _with(decision.fleet.asked_reloads, request)


def answer_reloads(decision: Decision, problem: str = "") -> None:
    """The reload is over."""
    _reply_all(decision, decision.fleet.begun_reloads, problem)
    decision.fleet.begun_reloads = ()


def refuse_reloads(decision: Decision, problem: str) -> None:
    """No reload is wanted any more."""
    fleet = decision.fleet
    fleet.begun_reloads, fleet.asked_reloads = (*fleet.begun_reloads, *fleet.asked_reloads), ()
    answer_reloads(decision, problem)


def await_scale(decision: Decision, request: int, count: int) -> None:
    """Answer when this many workers serve; at once if none do: the next generation starts them."""
    fleet = decision.fleet
    if fleet.serving is None:
        reply(decision, request)
    elif request:
        fleet.asked_scales = (*fleet.asked_scales, Request(request, count))


def answer_scales(decision: Decision) -> None:
    """Answer those whose number of workers serves, or is not wanted any more."""
    fleet = decision.fleet
    if not fleet.asked_scales or fleet.serving is None:
        return
    workers = fleet.serving.workers
    is_done = len(workers) == fleet.count and all(one.state is State.READY for one in workers)
    for asked in fleet.asked_scales:
        if asked.count != fleet.count:
            reply(decision, asked.number, f"another order wants {fleet.count} workers")
        elif is_done:
            reply(decision, asked.number)
    left = () if is_done else tuple(one for one in fleet.asked_scales if one.count == fleet.count)
    fleet.asked_scales = left


def fail_scales(decision: Decision, problem: str) -> None:
    """A worker could not be started."""
    _reply_all(decision, (asked.number for asked in decision.fleet.asked_scales), problem)
    decision.fleet.asked_scales = ()


def await_upgrade(decision: Decision, request: int) -> None:
    """Answer when the new master serves, or is gone."""
    decision.fleet.asked_upgrades = _with(decision.fleet.asked_upgrades, request)


def answer_upgrades(decision: Decision, problem: str = "") -> None:
    """The new master serves, or does not."""
    _reply_all(decision, decision.fleet.asked_upgrades, problem)
    decision.fleet.asked_upgrades = ()


def answer_all(decision: Decision) -> None:
    """The master ends: no request will be completed."""
    refuse_reloads(decision, _ENDING)
    answer_upgrades(decision, _ENDING)
    fail_scales(decision, _ENDING)


def _with(waiting: tuple[int, ...], request: int) -> tuple[int, ...]:
    return (*waiting, request) if request else waiting


def _reply_all(decision: Decision, waiting: Iterable[int], problem: str) -> None:
    for request in waiting:
        reply(decision, request, problem)
