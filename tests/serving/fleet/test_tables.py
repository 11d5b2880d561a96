"""Every event in every state: what it leads to, as tables."""

import pytest

from ngxloop.serving.base.states import State
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.actions import WorkerOrder
from ngxloop.serving.fleet.machine import EVENTS, WORKER_EVENTS
from ngxloop.serving.fleet.phases import PHASES, STAGES, Change, Phase, Stage
from ngxloop.serving.fleet.settings import Settings
from tests.serving.fleet.driver import ERROR, Fleet, found, kinds


def test_every_event_has_its_code():
    bases = {events.Event, events.WorkerEvent, events.OrderEvent}
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
    assert not [first for first, _ in STAGES if first is Stage.DRAINING]


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
    "OrderLost": lambda name: events.OrderLost(name, WorkerOrder.REOPEN),
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
        fleet.tell(events.StopWorkers())
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
    "StopWorkers": events.StopWorkers(1),
    "Scale": events.Scale(1, 3),
    "AddWorker": events.AddWorker(1),
    "RemoveWorker": events.RemoveWorker(1),
    "Upgrade": events.Upgrade(1),
    "NewMasterStarted": events.NewMasterStarted(5),
    "NewMasterFailed": events.NewMasterFailed("no memory"),
    "NewMasterReady": events.NewMasterReady(),
    "NewMasterEnding": events.NewMasterEnding(),
    "NewMasterGone": events.NewMasterGone(0),
    "OldMasterGone": events.OldMasterGone(9),
    "FileWatcherGone": events.FileWatcherGone(ERROR),
}
NEXT_PHASE = {
    **{(phase, "Stop"): Phase.STOPPING for phase in set(Phase) - {Phase.OVER}},
    (Phase.STARTING, "Quit"): Phase.DRAINING,
    (Phase.STARTING, "FileWatcherGone"): Phase.DRAINING,
    (Phase.SERVING, "Quit"): Phase.DELAYING,
    (Phase.SERVING, "FileWatcherGone"): Phase.DELAYING,
    (Phase.SERVING, "StopWorkers"): Phase.RESTING,
    (Phase.RESTING, "Quit"): Phase.DRAINING,
    (Phase.RESTING, "FileWatcherGone"): Phase.DRAINING,
    (Phase.DELAYING, "Quit"): Phase.STOPPING,  # told again
    (Phase.DRAINING, "Quit"): Phase.STOPPING,
}


def test_every_event_has_an_example():
    assert {type(one) for one in OF_THE_MASTER.values()} == EVENTS.keys()
    assert {one.__name__ for one in WORKER_EVENTS} == OF_A_WORKER.keys() - OF_THE_MASTER.keys()


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
    "order",
    [
        "Quit",
        "Stop",
        "Reopen",
        "StopWorkers",
        "Scale",
        "AddWorker",
        "RemoveWorker",
        "Reload",
        "Upgrade",
    ],
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
