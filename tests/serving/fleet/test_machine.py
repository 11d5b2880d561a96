"""Each decision of the master, tried without a process."""

import subprocess
import sys

import pytest

from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.actions import WorkerOrder
from ngxloop.serving.fleet.machine import EVENTS, WORKER_EVENTS, Machine
from ngxloop.serving.fleet.names import WorkerId
from ngxloop.serving.fleet.phases import PHASES, STAGES, Change, Phase, Stage
from ngxloop.serving.fleet.settings import Settings
from ngxloop.serving.fleet.workers import respawn_delay
from ngxloop.serving.states import State

ERROR = StartError(ExitCode.IMPORT_FAILED, "it raised")


class Fleet:
    """A machine, and the actions that it has wanted."""

    def __init__(self, count=1, most=8, **settings):
        self.machine = Machine(most)
        self.now = 100.0
        self.done = []
        self.tell(events.Start(Settings(**settings), count))

    @property
    def fleet(self):
        return self.machine.fleet

    def tell(self, event, after=0.0):
        """Return what follows; forks and configurations succeed at once."""
        self.now += after
        done = self.machine.handle(event, self.now)
        for action in done[:]:
            if isinstance(action, actions.Spawn):
                done += self.tell(events.Spawned(action.worker))
            elif isinstance(action, actions.PrepareConfig):
                prepared = events.ReloadPrepared(
                    action.generation, self.fleet.settings, action.count
                )
                done += self.tell(prepared)
        self.done += done
        return done

    def ready(self):
        """Let all workers that start be ready."""
        for name, worker in list(self.fleet.live.items()):
            if worker.state is State.STARTING:
                self.tell(events.Ready(name))
        return self

    def exit(self, name, code=0):
        return self.tell(events.Exited(name, code, f"exited with code {code}"))

    @property
    def serving(self):
        return [worker.id for worker in self.fleet.serving.workers]

    @property
    def first(self):
        return self.serving[0]

    def state(self, name):
        worker = self.fleet.live.get(name)
        return State.DEAD if worker is None else worker.state


def kinds(done):
    return [type(action) for action in done if not isinstance(action, actions.Log)]


def found(done, kind):
    return [action for action in done if isinstance(action, kind)]


def orders(done):
    return [(action.worker, action.order) for action in found(done, actions.Send)]


def texts(done):
    return [
        action.text % action.arguments if action.arguments else action.text
        for action in found(done, actions.Log)
        if "process %d" not in action.text
    ]


# Purity --------------------------------------------------------------------------------------

IMPORT = """
import sys, dataclasses, enum, contextlib, json, ngxloop
for name in [name for name in sys.modules if name.startswith("ngxloop.serving")]:
    del sys.modules[name]
for name in ("os", "time", "socket", "select", "subprocess", "threading", "random", "fcntl"):
    sys.modules[name] = None
import ngxloop.serving.fleet.machine
"""


def test_machine_is_imported_without_system_clock_and_sockets():
    subprocess.run([sys.executable, "-c", IMPORT], check=True)


def test_exit_that_could_not_be_handled_is_handled_when_told_again(monkeypatch):
    fleet = Fleet(2).ready()
    kept = {**vars(fleet.fleet)}, [{**vars(worker)} for worker in fleet.fleet.workers]
    exited = events.Exited(fleet.first, 1, "exited with code 1")
    monkeypatch.setattr("ngxloop.serving.fleet.recycling.replace_wanted", None)
    with pytest.raises(TypeError):
        fleet.machine.handle(exited, 101.0)
    monkeypatch.undo()
    assert (vars(fleet.fleet), [vars(worker) for worker in fleet.fleet.workers]) == kept
    assert actions.Spawn in kinds(fleet.tell(exited))


# Tables --------------------------------------------------------------------------------------


def test_every_event_has_its_code():
    bases = {events.Event, events.WorkerEvent, events.Order}
    made = {one for one in vars(events).values() if isinstance(one, type)}
    known = {one for one in made if issubclass(one, events.Event)} - bases
    assert known == EVENTS.keys() | WORKER_EVENTS.keys()
    assert all(issubclass(one, events.WorkerEvent) for one in WORKER_EVENTS)


def test_every_phase_leads_to_the_end():
    for phase in set(Phase) - {Phase.OVER}:
        assert PHASES.get((phase, Change.STOP)) or phase is Phase.STOPPING
    for table in (PHASES, STAGES):
        starts = {first for first, _ in table}
        assert set(table.values()) | starts == set(type(next(iter(starts))))
    assert not [first for first, _ in STAGES if first is Stage.RETIRED]


def worker_in(state):
    """Return a fleet with a worker in a state, and its name; the other worker serves."""
    fleet = Fleet(2, hang_timeout=1.0).ready()
    name = fleet.first
    if state is State.STARTING:
        fleet.exit(name, 1)
        return fleet, fleet.first
    if state is State.DRAINING:
        fleet.tell(events.Draining(name))
    if state is State.STOPPING:
        fleet.tell(events.Malformed(name, "it has sent nonsense"))
    if state is State.DEAD:
        fleet.exit(name, 0)
    return fleet, name


OF_A_WORKER = {
    "Spawned": events.Spawned,
    "SpawnFailed": lambda name: events.SpawnFailed(name, "no memory"),
    "Ready": events.Ready,
    "Draining": events.Draining,
    "Failed": lambda name: events.Failed(name, ERROR),
    "MaxRequestsReached": events.MaxRequestsReached,
    "RssExceeded": lambda name: events.RssExceeded(name, 200.0, 100.0),
    "Malformed": lambda name: events.Malformed(name, "nonsense"),
    "Beat": lambda name: events.Beat(name, 7, 99.0),
    "Exited": lambda name: events.Exited(name, -9, "was killed by SIGKILL"),
    "ActionFailed": lambda name: events.ActionFailed(actions.Send(name, WorkerOrder.REOPEN)),
    "Tick": lambda name: events.Tick(),
}
# Where these events lead; all others leave a worker where it is.
LEADS_TO = {
    **{(state, "SpawnFailed"): State.DEAD for state in State},
    **{(state, "Exited"): State.DEAD for state in State},
    (State.STARTING, "Ready"): State.READY,
    (State.STARTING, "Draining"): State.DRAINING,
    (State.READY, "Draining"): State.DRAINING,
    (State.STARTING, "Malformed"): State.STOPPING,
    (State.READY, "Malformed"): State.STOPPING,
    (State.DRAINING, "Malformed"): State.STOPPING,
    (State.STARTING, "ActionFailed"): State.STOPPING,
    (State.READY, "ActionFailed"): State.STOPPING,
    (State.DRAINING, "ActionFailed"): State.STOPPING,
}
# What is ordered of the worker itself.
STOPPABLE = (State.STARTING, State.READY, State.DRAINING)
ORDERED = {
    **{(state, "Malformed"): [actions.Send] for state in STOPPABLE},
    **{(state, "ActionFailed"): [actions.Send] for state in STOPPABLE},
    (State.READY, "Beat"): [actions.DumpStacks],
    (State.DRAINING, "Beat"): [actions.DumpStacks],
    **{(state, "Exited"): [actions.Release] for state in set(State) - {State.DEAD, State.BACKOFF}},
}
LIVE_OR_GONE = [state for state in State if state is not State.BACKOFF]


@pytest.mark.parametrize("event", OF_A_WORKER)
@pytest.mark.parametrize("state", LIVE_OR_GONE, ids=lambda state: state.name)
def test_event_of_a_worker_in_each_state(state, event):
    fleet, name = worker_in(state)
    assert fleet.state(name) is state
    done = fleet.tell(OF_A_WORKER[event](name))
    assert fleet.state(name) is LEADS_TO.get((state, event), state)
    own = [one for one in done if getattr(one, "worker", None) == name]
    assert kinds(own) == ORDERED.get((state, event), [])
    assert len(fleet.serving) == 2
    assert all(one.is_live or one.state is State.BACKOFF for one in fleet.fleet.serving.workers)


def phase_of(phase):
    """Return a fleet in a phase."""
    fleet = Fleet(2, drain_delay=3.0)
    if phase is Phase.STARTING:
        return fleet
    fleet.ready()
    if phase is Phase.RESTING:
        fleet.tell(events.Rest())
    elif phase is Phase.DELAYING:
        fleet.tell(events.Quit())
    elif phase is Phase.DRAINING:
        fleet.tell(events.Quit())
        fleet.tell(events.Tick(), 3.0)
    elif phase in {Phase.STOPPING, Phase.OVER}:
        fleet.tell(events.Stop())
    if phase is Phase.OVER:
        for name in list(fleet.fleet.live):
            fleet.exit(name)
    return fleet


OF_THE_MASTER = {
    "Start": events.Start(Settings(), 2),
    "Tick": events.Tick(),
    "ListenersClosed": events.ListenersClosed("127.0.0.1:80"),
    "ActionFailed": events.ActionFailed(actions.ReopenLogs()),
    "ZygoteReady": events.ZygoteReady(1),
    "ZygoteFailed": events.ZygoteFailed(1, ERROR),
    "ReloadPrepared": events.ReloadPrepared(7, Settings(), 2),
    "ReloadRefused": events.ReloadRefused(7, ERROR),
    "Quit": events.Quit(1),
    "Stop": events.Stop(1),
    "Reload": events.Reload(1),
    "Reopen": events.Reopen(1),
    "Rest": events.Rest(1),
    "Scale": events.Scale(1, 3),
    "Grow": events.Grow(1),
    "Shrink": events.Shrink(1),
    "Upgrade": events.Upgrade(1),
    "NewMasterStarted": events.NewMasterStarted(5),
    "NewMasterFailed": events.NewMasterFailed("no memory"),
    "NewMasterReady": events.NewMasterReady(),
    "NewMasterEnding": events.NewMasterEnding(),
    "NewMasterGone": events.NewMasterGone(0),
    "OldMasterGone": events.OldMasterGone(),
    "WatcherGone": events.WatcherGone(ERROR),
}
NEXT_PHASE = {
    **{(phase, "Stop"): Phase.STOPPING for phase in set(Phase) - {Phase.OVER}},
    (Phase.STARTING, "Quit"): Phase.DRAINING,
    (Phase.STARTING, "WatcherGone"): Phase.DRAINING,
    (Phase.SERVING, "Quit"): Phase.DELAYING,
    (Phase.SERVING, "WatcherGone"): Phase.DELAYING,
    (Phase.SERVING, "Rest"): Phase.RESTING,
    (Phase.RESTING, "Quit"): Phase.DRAINING,
    (Phase.RESTING, "WatcherGone"): Phase.DRAINING,
    (Phase.DELAYING, "Quit"): Phase.STOPPING,  # told again
    (Phase.DRAINING, "Quit"): Phase.STOPPING,
}


def test_every_event_has_an_example():
    assert {type(one) for one in OF_THE_MASTER.values()} == EVENTS.keys()


@pytest.mark.parametrize("event", OF_THE_MASTER)
@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name)
def test_event_of_the_master_in_each_phase(phase, event):
    fleet = phase_of(phase)
    assert fleet.fleet.phase is phase
    done = fleet.tell(OF_THE_MASTER[event], 1.0)
    assert fleet.fleet.phase is NEXT_PHASE.get((phase, event), phase)
    if phase in {Phase.DRAINING, Phase.STOPPING, Phase.OVER}:
        assert not found(done, actions.Spawn)


@pytest.mark.parametrize(
    "order", ["Quit", "Stop", "Reopen", "Rest", "Scale", "Grow", "Shrink", "Reload", "Upgrade"]
)
@pytest.mark.parametrize("phase", [one for one in Phase if one is not Phase.OVER])
def test_order_is_answered_once(phase, order):
    fleet = phase_of(phase)
    fleet.tell(OF_THE_MASTER[order], 1.0)
    fleet.ready()
    if order == "Upgrade":
        fleet.tell(events.NewMasterStarted(5))
        fleet.tell(events.NewMasterReady())
    if not [one for one in fleet.done if isinstance(one, actions.Reply)]:
        fleet.tell(events.Stop())
    assert [one.request for one in fleet.done if isinstance(one, actions.Reply)] == [1]


# Starting ------------------------------------------------------------------------------------


def test_generation_serves_when_all_of_it_is_ready():
    fleet = Fleet(2)
    first, second = fleet.fleet.live
    assert actions.Serve not in kinds(fleet.tell(events.Ready(first)))
    assert found(fleet.tell(events.Ready(second)), actions.Serve) == [actions.Serve(1, True)]
    assert fleet.fleet.phase is Phase.SERVING


def test_first_generation_that_fails_ends_the_master():
    fleet = Fleet(2)
    first, second = fleet.fleet.live
    fleet.tell(events.Failed(first, ERROR))
    done = fleet.exit(first, 6)
    assert found(done, actions.Fail) == [actions.Fail(ERROR, is_last=True)]
    assert (second, WorkerOrder.DRAIN) in orders(done)
    fleet.exit(second)
    assert fleet.machine.is_over


def test_preloaded_generation_waits_for_its_zygote():
    fleet = Fleet(2, is_preloaded=True)
    assert kinds(fleet.done) == [actions.PrepareWorkers, actions.StartZygote]
    assert len(found(fleet.tell(events.ZygoteReady(1)), actions.Spawn)) == 2


def test_zygote_that_fails_later_does_not_matter():
    fleet = Fleet(2, is_preloaded=True)
    fleet.tell(events.ZygoteReady(1))
    assert fleet.tell(events.ZygoteFailed(1, ERROR)) == []


def test_worker_that_is_not_ready_in_time_fails_its_generation():
    fleet = Fleet(1, start_timeout=10.0)
    done = fleet.tell(events.Tick(), 10.0)
    assert [one.error.code for one in found(done, actions.Fail)] == [ExitCode.START_TIMEOUT]


# Reload --------------------------------------------------------------------------------------


def test_reload_drains_the_old_generation_when_the_new_one_serves():
    fleet = Fleet(2).ready()
    old = fleet.serving
    done = fleet.tell(events.Reload(7))
    assert len(found(done, actions.Spawn)) == 2
    assert orders(done) == []
    fleet.ready()
    assert orders(fleet.done) == [(name, WorkerOrder.DRAIN) for name in old]
    assert actions.Reply(7, "") in fleet.done
    closed = [fleet.exit(name) for name in old]
    assert found(closed[1], actions.CloseListeners) == [actions.CloseListeners(1, frozenset({2}))]


def test_reload_that_fails_leaves_the_old_generation():
    fleet = Fleet(2).ready()
    old = fleet.serving
    fleet.tell(events.Reload(7))
    name = next(one for one in fleet.fleet.live if one not in old)
    fleet.tell(events.Failed(name, ERROR))
    done = fleet.exit(name, 6)
    assert fleet.serving == old
    assert actions.Reply(7, ERROR.line) in done
    assert actions.CloseListeners(2, frozenset({1})) in done
    assert fleet.fleet.reloads_failed == 1


def test_reload_that_is_refused_uses_up_no_number():
    fleet = Fleet(1).ready()
    machine = fleet.machine
    machine.handle(events.Reload(), fleet.now)
    machine.handle(events.ReloadRefused(2, ERROR), fleet.now)
    assert fleet.fleet.number == 1
    assert [
        one.generation
        for one in found(machine.handle(events.Reload(), fleet.now), actions.PrepareConfig)
    ] == [2]


def test_worker_that_gets_a_term_as_it_starts_is_spawned_again():
    fleet = Fleet(1).ready()
    fleet.tell(events.Reload())
    name = next(iter(set(fleet.fleet.live) - set(fleet.serving)))
    assert actions.Spawn in kinds(fleet.exit(name, -15))
    assert fleet.fleet.coming is not None


def test_reload_waits_for_slots():
    fleet = Fleet(1, most=1).ready()
    for _ in range(3):
        fleet.tell(events.Reload())
        fleet.ready()
    assert fleet.fleet.is_reload_wanted
    assert len([text for text in texts(fleet.done) if "the reload waits" in text]) == 1
    fleet.exit(next(iter(fleet.fleet.live)))
    assert not fleet.fleet.is_reload_wanted


# Workers -------------------------------------------------------------------------------------


def test_worker_that_dies_young_again_and_again_waits():
    fleet = Fleet(1).ready()
    delays = []
    for _ in range(5):
        fleet.exit(fleet.first, 1)
        worker = fleet.fleet.serving.workers[0]
        if worker.state is State.BACKOFF:
            delays.append(round(worker.deadline - fleet.now, 3))
            fleet.tell(events.Tick(), delays[-1])
        fleet.ready()
    assert delays == [0.1, 0.2, 0.4, 0.8]


def test_worker_without_a_slot_waits_and_the_oldest_that_drains_is_stopped():
    fleet = Fleet(1, most=1).ready()
    for _ in range(2):
        fleet.tell(events.Reload())
        fleet.ready()
    while len(fleet.fleet.live) < 4:
        fleet.tell(events.Draining(fleet.first), 100.0)
        fleet.ready()
    oldest = fleet.fleet.leaving[0].id
    done = fleet.tell(events.Draining(fleet.first))
    assert orders(done) == [(oldest, WorkerOrder.STOP)]
    assert actions.Spawn in kinds(fleet.exit(oldest))


def test_worker_that_is_old_drains_when_its_successor_is_ready():
    fleet = Fleet(4, max_lifetime=10.0).ready()
    fleet.now += 11.0
    done = fleet.tell(events.Tick())
    assert len(found(done, actions.Spawn)) == 1  # a quarter of four
    assert orders(done) == []
    (old,) = [one.predecessor.id for one in fleet.fleet.successors]
    name = fleet.fleet.successors[0].id
    done = fleet.tell(events.Ready(name))
    assert orders(done) == [(old, WorkerOrder.DRAIN)]
    assert name in fleet.serving


def test_successor_that_fails_is_tried_later():
    fleet = Fleet(1).ready()
    fleet.tell(events.RssExceeded(fleet.first, 200.0, 100.0))
    name = fleet.fleet.successors[0].id
    fleet.exit(name, 1)
    assert fleet.fleet.serving.workers[0].replace_at == fleet.now + 1.0
    fleet.tell(events.Tick(), 1.0)
    assert len(fleet.fleet.successors) == 1


def test_successor_takes_the_place_of_a_worker_that_dies():
    fleet = Fleet(1).ready()
    old = fleet.first
    fleet.tell(events.RssExceeded(old, 200.0, 100.0))
    name = fleet.fleet.successors[0].id
    assert actions.Spawn not in kinds(fleet.exit(old, -9))
    assert fleet.serving == [name]


def test_worker_that_hangs_writes_its_stacks_and_is_killed():
    fleet = Fleet(1, hang_timeout=1.0).ready()
    name = fleet.first
    assert fleet.tell(events.Beat(name, 7, 0.5)) == []
    assert kinds(fleet.tell(events.Beat(name, 7, 1.5))) == [actions.DumpStacks]
    assert fleet.tell(events.Beat(name, 7, 2.5), 1.0) == []
    done = fleet.tell(events.Beat(name, 7, 3.5), 1.0)
    assert kinds(done) == [actions.Kill]
    assert [one.stacks for one in found(done, actions.Log)] == [name]
    assert fleet.tell(events.Beat(name, 7, 9.9), 0.5) == []  # it is accused once


def test_worker_that_comes_back_is_spared():
    fleet = Fleet(1, hang_timeout=1.0).ready()
    fleet.tell(events.Beat(fleet.first, 7, 1.5))
    assert kinds(fleet.tell(events.Beat(fleet.first, 8, 0.0), 2.0)) == []
    assert fleet.state(fleet.first) is State.READY


def test_event_of_a_process_that_is_gone_means_nothing():
    fleet = Fleet(1).ready()
    old = fleet.first
    fleet.exit(old, 1)
    assert fleet.tell(events.Malformed(WorkerId(old.slot, old.incarnation), "late")) == []


# Scaling, resting, upgrading, ending ---------------------------------------------------------


def test_fewer_workers_drain_and_more_are_spawned():
    fleet = Fleet(2).ready()
    gone = fleet.serving[1]
    assert orders(fleet.tell(events.Shrink())) == [(gone, WorkerOrder.DRAIN)]
    done = fleet.tell(events.Scale(3, 3))
    assert len(found(done, actions.Spawn)) == 2
    assert actions.Reply(3, "") not in done
    fleet.ready()
    assert actions.Reply(3, "") in fleet.done


def test_impossible_numbers_of_workers_are_refused():
    fleet = Fleet(1, most=2).ready()
    problem = "cannot have 3 workers; give 1 to 2, or restart for more"
    assert actions.Reply(1, problem) in fleet.tell(events.Scale(1, 3))


def test_scaling_that_fails_is_answered():
    fleet = Fleet(1).ready()
    fleet.tell(events.Scale(5, 2))
    name = next(one for one in fleet.fleet.live if one != fleet.first)
    (reply,) = found(fleet.exit(name, 1), actions.Reply)
    assert "worker 1.1 exited with code 1" in reply.problem


def test_resting_master_serves_again_after_a_reload():
    fleet = Fleet(1).ready()
    fleet.tell(events.Rest())
    assert fleet.fleet.phase is Phase.RESTING
    fleet.tell(events.Reload())
    fleet.ready()
    assert fleet.fleet.phase is Phase.SERVING


def test_resting_master_whose_new_master_is_gone_reloads():
    fleet = Fleet(1).ready()
    fleet.tell(events.Upgrade(4))
    fleet.tell(events.NewMasterStarted(77))
    assert actions.Reply(4, "") in fleet.tell(events.NewMasterReady())
    fleet.tell(events.Rest())
    done = fleet.tell(events.NewMasterGone(0))
    assert actions.RestoreNames in kinds(done)
    assert found(done, actions.PrepareConfig)


def test_upgrade_that_ends_before_it_serves_is_answered():
    fleet = Fleet(1).ready()
    fleet.tell(events.Upgrade(4))
    fleet.tell(events.NewMasterStarted(77))
    (reply,) = found(fleet.tell(events.NewMasterGone(1)), actions.Reply)
    assert reply.problem == "the new master (process 77) ended with code 1; this one goes on"


def test_auto_upgrade_ends_the_old_master():
    fleet = Fleet(1, is_auto_upgrade=True).ready()
    fleet.tell(events.Upgrade())
    fleet.tell(events.NewMasterStarted(77))
    done = fleet.tell(events.NewMasterReady())
    assert orders(done) == [(fleet.first, WorkerOrder.DRAIN)]


def test_new_master_that_says_again_that_it_serves_changes_nothing():
    fleet = Fleet(1, is_auto_upgrade=True).ready()
    fleet.tell(events.Upgrade())
    fleet.tell(events.NewMasterStarted(77))
    assert actions.SetReadiness(False) in fleet.tell(events.NewMasterReady())
    assert fleet.tell(events.NewMasterReady(), 1.0) == []
    assert fleet.fleet.phase is Phase.DRAINING


def test_status_is_answered_again_when_the_new_master_ends():
    fleet = Fleet(1).ready()
    fleet.tell(events.Upgrade())
    fleet.tell(events.NewMasterStarted(77))
    fleet.tell(events.NewMasterReady())
    assert fleet.tell(events.NewMasterEnding()) == [actions.SetReadiness(True)]


def test_last_workers_take_what_waits_in_the_queues():
    fleet = Fleet(1).ready()
    name = fleet.first
    done = fleet.tell(events.Quit())
    assert orders(done) == [(name, WorkerOrder.ACCEPT), (name, WorkerOrder.DRAIN)]


def test_second_signal_of_the_same_stop_counts_once():
    fleet = Fleet(1).ready()
    fleet.tell(events.Quit())
    fleet.tell(events.Quit(), 0.1)
    assert fleet.fleet.phase is Phase.DRAINING
    fleet.tell(events.Quit(), 0.5)
    assert fleet.fleet.phase is Phase.STOPPING


def test_worker_that_does_not_drain_in_time_is_killed_again_and_again():
    fleet = Fleet(1, graceful_timeout=2.0).ready()
    fleet.tell(events.Quit())
    assert kinds(fleet.tell(events.Tick(), 2.7)) == [actions.DumpStacks]
    assert kinds(fleet.tell(events.Tick(), 0.2)) == [actions.Kill]
    assert kinds(fleet.tell(events.Tick(), 1.0)) == [actions.Kill]
    assert len([one for one in found(fleet.done, actions.Log) if "in time" in one.text]) == 1


def test_workers_are_respawned_during_the_drain_delay():
    fleet = Fleet(1, drain_delay=5.0).ready()
    fleet.tell(events.Quit())
    assert actions.Spawn in kinds(fleet.exit(fleet.first, -9))
    assert fleet.machine.next_deadline() is not None


def test_respawn_delay_is_none_at_first_then_doubles_to_its_limit():
    delays = [respawn_delay(deaths) for deaths in range(12)]
    assert delays == [0, 0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30]
    assert respawn_delay(10**6) == 30
