"""Each decision of the master, tried without a process."""

import subprocess
import sys

import pytest

from ngxloop.serving.base.states import State
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.actions import WorkerOrder
from ngxloop.serving.fleet.names import WorkerId
from ngxloop.serving.fleet.phases import Phase
from ngxloop.serving.fleet.spawning import respawn_delay
from tests.serving.fleet.driver import Fleet, found, kinds, orders

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


def test_worker_that_is_old_drains_when_its_replacement_is_ready():
    fleet = Fleet(4, max_lifetime=10.0).ready()
    fleet.now += 11.0
    done = fleet.tell(events.Tick())
    assert len(found(done, actions.Spawn)) == 1  # a quarter of four
    assert orders(done) == []
    (old,) = [one.predecessor.id for one in fleet.fleet.replacements]
    name = fleet.fleet.replacements[0].id
    done = fleet.tell(events.Ready(name))
    assert orders(done) == [(old, WorkerOrder.DRAIN)]
    assert name in fleet.serving


def test_replacement_that_fails_is_tried_later():
    fleet = Fleet(1).ready()
    fleet.tell(events.RssExceeded(fleet.first, 200.0, 100.0))
    name = fleet.fleet.replacements[0].id
    fleet.exit(name, 1)
    assert fleet.fleet.serving.workers[0].replace_at == fleet.now + 1.0
    fleet.tell(events.Tick(), 1.0)
    assert len(fleet.fleet.replacements) == 1


def test_replacement_takes_the_place_of_a_worker_that_dies():
    fleet = Fleet(1).ready()
    old = fleet.first
    fleet.tell(events.RssExceeded(old, 200.0, 100.0))
    name = fleet.fleet.replacements[0].id
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


def test_order_to_reopen_that_is_lost_is_given_again():
    fleet = Fleet(1).ready()
    name = fleet.first
    assert orders(fleet.tell(events.Reopen())) == [(name, WorkerOrder.REOPEN)]
    for _ in range(3):
        fleet.tell(events.OrderLost(name, WorkerOrder.REOPEN))
        assert fleet.machine.next_deadline() == fleet.now + 1.0
        assert orders(fleet.tell(events.Tick(), 1.0)) == [(name, WorkerOrder.REOPEN)]
    assert fleet.machine.next_deadline() is None
    assert fleet.state(name) is State.READY


def test_order_to_accept_that_is_lost_is_not_given_again():
    fleet = Fleet(1).ready()
    assert fleet.tell(events.OrderLost(fleet.first, WorkerOrder.ACCEPT)) == []
    assert fleet.machine.next_deadline() is None


def test_event_of_a_process_that_is_gone_means_nothing():
    fleet = Fleet(1).ready()
    old = fleet.first
    fleet.exit(old, 1)
    assert fleet.tell(events.Malformed(WorkerId(old.slot, old.incarnation), "late")) == []


# Scaling, resting, upgrading, ending ---------------------------------------------------------


def test_fewer_workers_drain_and_more_are_spawned():
    fleet = Fleet(2).ready()
    gone = fleet.serving[1]
    assert orders(fleet.tell(events.RemoveWorker())) == [(gone, WorkerOrder.DRAIN)]
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
    fleet.tell(events.StopWorkers())
    assert fleet.fleet.phase is Phase.RESTING
    fleet.tell(events.Reload())
    fleet.ready()
    assert fleet.fleet.phase is Phase.SERVING


def test_resting_master_whose_new_master_is_gone_reloads():
    fleet = Fleet(1).ready()
    fleet.tell(events.Upgrade(4))
    fleet.tell(events.NewMasterStarted(77))
    assert actions.Reply(4, "") in fleet.tell(events.NewMasterReady())
    fleet.tell(events.StopWorkers())
    done = fleet.tell(events.NewMasterGone(0))
    assert actions.RestoreNames in kinds(done)
    assert found(done, actions.PrepareConfig)


def test_upgrade_that_ends_before_it_serves_is_answered():
    fleet = Fleet(1).ready()
    fleet.tell(events.Upgrade(4))
    fleet.tell(events.NewMasterStarted(77))
    (reply,) = found(fleet.tell(events.NewMasterGone(1)), actions.Reply)
    assert reply.problem == "the new master (process 77) exited with code 1; this one continues"


def test_second_upgrade_is_refused_while_the_first_begins():
    fleet = Fleet(1).ready()
    assert actions.StartNewMaster() in fleet.tell(events.Upgrade(4))
    second = fleet.tell(events.Upgrade(5))
    assert found(second, actions.StartNewMaster) == []
    assert actions.Reply(5, "a new master is being started") in second
    fleet.tell(events.NewMasterFailed("no memory"))
    assert actions.StartNewMaster() in fleet.tell(events.Upgrade(6))


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


def test_new_master_without_the_old_one_answers_before_it_serves():
    fleet = Fleet(1, has_old_master=True)
    done = fleet.tell(events.OldMasterGone(9))
    assert kinds(done) == [actions.SetReadiness]
    assert fleet.tell(events.OldMasterGone(9)) == []
    fleet.ready()
    (name,) = fleet.serving
    assert (name, WorkerOrder.ACCEPT) in orders(fleet.tell(events.Quit()))


def test_workers_leave_what_waits_to_the_old_master():
    fleet = Fleet(1, has_old_master=True).ready()
    assert orders(fleet.tell(events.Quit())) == [(fleet.first, WorkerOrder.DRAIN)]


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
