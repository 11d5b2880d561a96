"""The machine that decides for the master: it takes events and returns actions.

Rules.
1. No I/O, no clock, no process: the time of an event comes with it, and a worker is named by its
   slot and incarnation. So everything that a master decides can be tried without a process.
2. An event is handled as a whole or not at all. If the code for it raises, all records are as
   before, and there are no actions.
3. An event can come late, twice, or for a worker that is gone. What has no row in the tables
   (states.py, phases.py) changes nothing.
4. reconcile() follows each event. It compares what there is with what is wanted, so a decision that
   an event did not bring about, because it was lost, is made with the next one.
"""

from collections.abc import Callable
from typing import Any

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.fleet import (
    commands,
    events,
    generations,
    liveness,
    pendingorders,
    recycling,
    socketdecisions,
    spawning,
    workerevents,
    workers,
)
from ngxloop.serving.fleet.actions import (
    Action,
    PrepareConfig,
    PrepareWorkers,
    RestoreNames,
    Send,
    Spawn,
    StartNewMaster,
    StartZygote,
)
from ngxloop.serving.fleet.decision import Decision
from ngxloop.serving.fleet.journal import Journal, roll_back
from ngxloop.serving.fleet.phases import Change, Phase
from ngxloop.serving.fleet.records import SLOTS_PER_WORKER, Fleet

# What is done for an event of a worker; it is ignored if the worker is not known any more.
WORKER_EVENTS: dict[type[events.WorkerEvent], Callable[[Decision, Any, Any], None]] = {
    events.Spawned: workerevents.on_spawned,
    events.SpawnFailed: workerevents.on_spawn_failed,
    events.Ready: workerevents.on_ready,
    events.Draining: workerevents.on_draining,
    events.Failed: workerevents.on_failed,
    events.MaxRequestsReached: workerevents.on_max_requests,
    events.RssExceeded: workerevents.on_rss_exceeded,
    events.OrderLost: workerevents.on_order_lost,
    events.Malformed: workerevents.on_malformed,
    events.Beat: liveness.beat,
    events.Exited: workerevents.on_exited,
}


def _on_action_failed(decision: Decision, event: events.ActionFailed) -> None:
    """Go on as if the answer to the action had been that it is impossible."""
    action, live = event.action, decision.fleet.live
    defect = StartError(ExitCode.INTERNAL, "a defect in ngxloop; the traceback says where")
    match action:
        case Send() if action.worker in live:  # its deadline does the rest
            workers.stop(decision, live[action.worker])
        case Spawn() if action.worker in live:
            failed = events.SpawnFailed(action.worker, defect.line, is_explained=False)
            workerevents.on_spawn_failed(decision, live[action.worker], failed)
        case StartZygote():
            generations.zygote_failed(decision, action.generation, defect)
        case PrepareWorkers():
            generations.workers_not_prepared(decision, action.generation, defect)
        case PrepareConfig():
            generations.reload_refused(decision, action.generation, defect)
        case StartNewMaster():
            decision.fleet.is_new_master_starting = False
            decision.act(RestoreNames())
            pendingorders.answer_upgrades(decision, defect.line)


# What is done for another event.
EVENTS: dict[type[events.Event], Callable[[Decision, Any], None]] = {
    events.Start: lambda decision, it: generations.start(decision, it.settings, it.count),
    events.Tick: lambda decision, it: liveness.tick(decision),
    events.ListenersClosed: lambda decision, it: liveness.relisten(decision, it.addresses),
    events.ActionFailed: _on_action_failed,
    events.ZygoteReady: lambda decision, it: generations.zygote_ready(decision, it.generation),
    events.ZygoteFailed: lambda decision, it: generations.zygote_failed(
        decision, it.generation, it.error
    ),
    events.ReloadPrepared: lambda decision, it: generations.reload_prepared(
        decision, it.generation, it.settings, it.count
    ),
    events.ReloadRefused: lambda decision, it: generations.reload_refused(
        decision, it.generation, it.error
    ),
    events.Quit: commands.on_quit,
    events.Stop: commands.on_stop,
    events.Reload: commands.on_reload,
    events.Reopen: commands.on_reopen,
    events.StopWorkers: commands.on_stop_workers,
    events.Scale: commands.on_scale,
    events.AddWorker: commands.on_add_worker,
    events.RemoveWorker: commands.on_remove_worker,
    events.Upgrade: commands.on_upgrade,
    events.NewMasterStarted: commands.on_new_master_started,
    events.NewMasterFailed: commands.on_new_master_failed,
    events.NewMasterReady: commands.on_new_master_ready,
    events.NewMasterEnding: commands.on_new_master_ending,
    events.NewMasterGone: commands.on_new_master_gone,
    events.OldMasterGone: commands.on_old_master_gone,
    events.FileWatcherGone: commands.on_file_watcher_gone,
}


class Machine:
    """All decisions of one master.

    Args:
        most: To how many workers it can be scaled.
        has_old_master: Another master has started this one, and still runs.
    """

    def __init__(self, most: int, has_old_master: bool = False) -> None:
        self._journal: Journal = []
        slots = frozenset(range(SLOTS_PER_WORKER * most))
        self.fleet: Fleet = Fleet(self._journal, most, slots, has_old_master)

    def handle(self, event: events.Event, now: float) -> list[Action]:
        """Return what is to be done.

        Args:
            event: What has happened.
            now: When, in monotonic time.
        """
        decision = Decision(self.fleet, now, [])
        try:
            if self.fleet.phase is not Phase.OVER:
                _decide(decision, event)
                reconcile(decision)
        except BaseException:
            roll_back(self._journal)
            raise
        self._journal.clear()
        return decision.actions

    @property
    def is_over(self) -> bool:
        """Say whether the master has been told to end and no process is left."""
        return self.fleet.phase is Phase.OVER

    def next_deadline(self) -> float | None:
        """Return when a Tick has something to do; None if that depends on other events."""
        return None if self.is_over else liveness.next_deadline(self.fleet)


def _decide(decision: Decision, event: events.Event) -> None:
    if isinstance(event, events.WorkerEvent):
        worker = decision.fleet.live.get(event.worker)
        if worker is not None:
            WORKER_EVENTS[type(event)](decision, worker, event)
    else:
        EVENTS[type(event)](decision, event)


def reconcile(decision: Decision) -> None:
    """Do what the records ask for: serve, fill, replace, reload, close, end."""
    fleet = decision.fleet
    if fleet.is_leaving:
        if not fleet.live:
            fleet.change(Change.EMPTY)
        return
    generations.decide_coming(decision)
    spawning.fill(decision)
    recycling.replace_wanted(decision)
    generations.start_wanted_reload(decision)
    socketdecisions.close_unused(decision)
    pendingorders.answer_scales(decision)
