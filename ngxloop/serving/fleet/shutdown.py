"""The end of serving: the workers drain, after a delay if one was asked for, or stop at once."""

from ngxloop.serving.base.timing import REPEAT_SECONDS
from ngxloop.serving.fleet import pendingorders, socketdecisions, workers
from ngxloop.serving.fleet.actions import CloseZygotes, Notice, Notify
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.phases import Change
from ngxloop.serving.options.values import MAX_SECONDS


def quit_(decision: Decision) -> None:
    """Drain everything and end; at once if that was asked for before."""
    fleet = decision.fleet
    if not fleet.is_ending:
        _begin(decision)
        delay = fleet.settings.drain_delay
        if delay and fleet.change(Change.DELAY):
            decision.info("ending: workers go on accepting for %g s", delay)
            fleet.drain_at = decision.now + delay
        else:
            drain(decision)
    elif decision.now - fleet.told_at > REPEAT_SECONDS and not fleet.settings.has_nginx_signals:
        stop(decision)


def stop(decision: Decision) -> None:
    """End at once."""
    fleet = decision.fleet
    if fleet.is_ending:
        decision.warn("told again to shut down; stopping at once")
    else:
        _begin(decision)
        decision.info("stopping at once")
    _end(decision)
    fleet.change(Change.STOP)
    for worker in fleet.workers:
        workers.stop(decision, worker)


def drain(decision: Decision) -> None:
    """Let the workers finish what they have, and end."""
    fleet = decision.fleet
    seconds = fleet.settings.graceful_timeout
    if fleet.settings.has_nginx_signals:
        seconds = MAX_SECONDS
        decision.info("ending: workers drain for as long as it takes; TERM stops at once")
    else:
        decision.info("ending: workers drain for at most %g s; signal again to stop", seconds)
    _end(decision, seconds)
    fleet.change(Change.DRAIN)


def _begin(decision: Decision) -> None:
    fleet = decision.fleet
    fleet.told_at = decision.now
    decision.act(Notify(Notice.ENDING))


def _end(decision: Decision, seconds: float | None = None) -> None:
    """Have no listener any more, and no worker that stays."""
    fleet = decision.fleet
    fleet.drain_at = fleet.retry_at = None
    if fleet.is_leaving:
        return
    decision.act(CloseZygotes())
    socketdecisions.close_all(decision)
    for worker in fleet.workers:
        workers.drain(decision, worker, seconds, is_last=not fleet.is_shared)
    pendingorders.answer_all(decision)
