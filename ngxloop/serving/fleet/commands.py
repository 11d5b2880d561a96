"""Orders to the master, but those to end; and what becomes of an upgrade."""

from ngxloop.serving.fleet import generations, pendingorders, shutdown, workers
from ngxloop.serving.fleet.actions import (
    Fail,
    Notice,
    Notify,
    ReopenLogs,
    RestoreNames,
    SetReadiness,
    StartNewMaster,
)
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.events import (
    AddWorker,
    FileWatcherGone,
    NewMasterEnding,
    NewMasterFailed,
    NewMasterGone,
    NewMasterReady,
    NewMasterStarted,
    OldMasterGone,
    Quit,
    Reload,
    RemoveWorker,
    Reopen,
    Scale,
    Stop,
    StopWorkers,
    Upgrade,
)
from ngxloop.serving.fleet.phases import Phase

_ENDING = "the master ends"


def on_quit(decision: Decision, event: Quit) -> None:
    """Drain, then end."""
    shutdown.quit_(decision)
    pendingorders.reply(decision, event.request)


def on_stop(decision: Decision, event: Stop) -> None:
    """End at once."""
    shutdown.stop(decision)
    pendingorders.reply(decision, event.request)


def on_reload(decision: Decision, event: Reload) -> None:
    """Want a reload."""
    if decision.fleet.is_ending:
        pendingorders.reply(decision, event.request, _ENDING)
        return
    generations.want_reload(decision)
    pendingorders.await_reload(decision, event.request)


def on_reopen(decision: Decision, event: Reopen) -> None:
    """Open the log files again, here and in all workers."""
    decision.info("reopening the log files")
    decision.act(ReopenLogs())
    for worker in decision.fleet.live.values():
        workers.reopen(decision, worker)
    pendingorders.reply(decision, event.request)


def on_stop_workers(decision: Decision, event: StopWorkers) -> None:
    """Drain the workers but keep the sockets, as nginx does for an upgrade."""
    problem = _ENDING if decision.fleet.is_ending else generations.stop_workers(decision)
    if problem:
        decision.warn("not resting: %s", problem)
    pendingorders.reply(decision, event.request, problem)


def on_scale(decision: Decision, event: Scale) -> None:
    """Have another number of workers."""
    _scale(decision, event.request, event.count)


def on_add_worker(decision: Decision, event: AddWorker) -> None:
    """Have one worker more."""
    _scale(decision, event.request, decision.fleet.count + 1)


def on_remove_worker(decision: Decision, event: RemoveWorker) -> None:
    """Have one worker less."""
    _scale(decision, event.request, decision.fleet.count - 1)


def _scale(decision: Decision, request: int, count: int) -> None:
    fleet = decision.fleet
    if not 1 <= count <= fleet.most:
        problem = f"cannot have {count} workers; give 1 to {fleet.most}, or restart for more"
        decision.warn("%s", problem)
        pendingorders.reply(decision, request, problem)
    elif fleet.is_ending:
        pendingorders.reply(decision, request, _ENDING)
    else:
        decision.info("scaling from %d to %d workers", fleet.count, count)
        generations.scale(decision, count)
        pendingorders.await_scale(decision, request, count)


# Upgrade -------------------------------------------------------------------------------------


def on_upgrade(decision: Decision, event: Upgrade) -> None:
    """Start a new master, unless there is a reason against it."""
    fleet, problem = decision.fleet, event.problem
    if fleet.new_master:
        pid = fleet.new_master
        problem = f"a new master is already running (process {pid}); stop one of the two first"
    elif fleet.is_new_master_starting:
        problem = "a new master is being started"
    elif not problem and fleet.is_ending:
        problem = _ENDING
    if problem:
        decision.warn("no upgrade: %s", problem)
        pendingorders.reply(decision, event.request, problem)
    else:
        pendingorders.await_upgrade(decision, event.request)
        fleet.is_new_master_starting = True
        decision.act(StartNewMaster())


def on_new_master_started(decision: Decision, event: NewMasterStarted) -> None:
    """Share the sockets with it."""
    decision.fleet.is_new_master_starting = False
    decision.fleet.new_master = event.pid
    decision.fleet.is_new_master_ready = False


def on_new_master_failed(decision: Decision, event: NewMasterFailed) -> None:
    """Go on alone."""
    decision.fleet.is_new_master_starting = False
    decision.warn("no upgrade: %s", event.reason)
    pendingorders.answer_upgrades(decision, event.reason)


def on_new_master_ready(decision: Decision, event: NewMasterReady) -> None:
    """Leave the field to it, if we may without being asked."""
    fleet = decision.fleet
    if not fleet.new_master or fleet.is_new_master_ready:
        return
    fleet.is_new_master_ready = True
    decision.info(
        "the new master (process %d) serves; send QUIT to this master to complete the upgrade, or "
        "to the new one to roll back",
        fleet.new_master,
    )
    decision.act(SetReadiness(False))
    pendingorders.answer_upgrades(decision)
    if fleet.settings.is_auto_upgrade:
        shutdown.quit_(decision)


def on_new_master_ending(decision: Decision, event: NewMasterEnding) -> None:
    """Answer for the service again."""
    if decision.fleet.new_master:
        decision.fleet.is_new_master_ready = False
        decision.act(SetReadiness(True))


def on_new_master_gone(decision: Decision, event: NewMasterGone) -> None:
    """Be alone again; serve, if we had stopped for it."""
    fleet = decision.fleet
    if not fleet.new_master:
        return
    pid, fleet.new_master = fleet.new_master, 0
    decision.act(RestoreNames())
    decision.act(Notify(Notice.ALONE))
    if event.code == 0:  # somebody has ended it
        line = f"the new master (process {pid}) has exited on request; this one continues"
        decision.info("%s", line)
    else:
        line = f"the new master (process {pid}) exited with code {event.code}; this one continues"
        decision.error("%s", line)
    pendingorders.answer_upgrades(decision, line)
    if fleet.phase is Phase.RESTING:
        generations.want_reload(decision)


def on_old_master_gone(decision: Decision, event: OldMasterGone) -> None:
    """Be the only one that uses the sockets; it cannot answer for the service any more."""
    fleet = decision.fleet
    if fleet.has_old_master:
        fleet.has_old_master = False
        decision.info("the old master (process %d) has ended", event.pid)
        if fleet.phase is Phase.STARTING:
            decision.act(SetReadiness(True))


def on_file_watcher_gone(decision: Decision, event: FileWatcherGone) -> None:
    """End: changes would have no effect, and nobody would notice."""
    if not decision.fleet.is_ending:
        decision.act(Fail(event.error))
        shutdown.quit_(decision)
