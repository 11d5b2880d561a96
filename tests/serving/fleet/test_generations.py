"""Decisions about generations: reloads, and those that fail."""

import pytest

from ngxloop.serving.base.errors import ExitCode
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.actions import WorkerOrder
from ngxloop.serving.fleet.phases import Phase
from tests.serving.fleet.driver import ERROR, Fleet, found, kinds, orders, texts

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


def test_reload_of_a_resting_master_that_fails_is_tried_again_later_each_time():
    fleet = Fleet(1).ready()
    fleet.tell(events.StopWorkers())
    fleet.tell(events.Reload(7))
    delays = []
    for _ in range(7):
        done = fleet.exit(next(iter(set(fleet.fleet.live) - {fleet.old})), -9)
        delays.append(fleet.fleet.retry_at - fleet.now)
        assert any("no workers serve; it is tried again" in text for text in texts(done))
        assert found(fleet.tell(events.Tick(), delays[-1]), actions.PrepareConfig)
    assert delays == [1, 2, 4, 8, 16, 30, 30]
    assert len(found(fleet.done, actions.Reply)) == 1  # the order has failed
    fleet.ready()
    assert fleet.fleet.phase is Phase.SERVING
    assert fleet.fleet.retry_at is None


def test_configuration_of_a_resting_master_that_is_refused_is_read_again():
    fleet = Fleet(1).ready()
    fleet.tell(events.StopWorkers())
    fleet.machine.handle(events.Reload(), fleet.now)
    fleet.tell(events.ReloadRefused(2, ERROR))
    assert found(fleet.tell(events.Tick(), 1.0), actions.PrepareConfig)


@pytest.mark.parametrize("order", [events.StopWorkers, events.Quit, events.Stop])
def test_failed_reload_is_not_tried_again_after_an_order(order):
    fleet = Fleet(1).ready()
    fleet.tell(events.StopWorkers())
    fleet.tell(events.Reload())
    fleet.exit(next(iter(set(fleet.fleet.live) - {fleet.old})), -9)
    fleet.tell(order())
    assert fleet.fleet.retry_at is None
    assert not found(fleet.tell(events.Tick(), 60.0), actions.PrepareConfig)


def test_rest_in_a_reload_takes_it_back():
    fleet = Fleet(2).ready()
    old = fleet.serving
    fleet.tell(events.Reload(7))
    coming = [one for one in fleet.fleet.live if one not in old]
    done = fleet.tell(events.StopWorkers(8))
    assert {name for name, order in orders(done) if order is WorkerOrder.DRAIN} == {*old, *coming}
    assert actions.Reply(7, "another command has stopped the workers") in done
    assert actions.Reply(8, "") in done
    assert actions.CloseListeners(2, frozenset({1})) in done
    assert fleet.fleet.phase is Phase.RESTING


def test_first_workers_do_not_rest_before_they_serve():
    fleet = Fleet(1)
    (reply,) = found(fleet.tell(events.StopWorkers(8)), actions.Reply)
    assert reply.problem == "the first workers are starting"
    assert fleet.ready().fleet.phase is Phase.SERVING


@pytest.mark.parametrize("is_refused", [False, True])
def test_sockets_of_a_reload_that_is_prepared_at_the_end_are_closed_once(is_refused):
    fleet = Fleet(1).ready()
    fleet.machine.handle(events.Reload(), fleet.now)
    done = fleet.tell(events.Quit())
    assert found(done, actions.CloseListeners) == [actions.CloseListeners(1)]
    answer = events.ReloadRefused(2, ERROR) if is_refused else None
    done = fleet.tell(answer or events.ReloadPrepared(2, fleet.fleet.settings, 1))
    assert kinds(done) == ([] if is_refused else [actions.CloseListeners])
    assert fleet.fleet.coming is None


def test_sockets_of_an_older_generation_are_closed_at_the_end():
    fleet = Fleet(1).ready()
    fleet.tell(events.Reload())
    fleet.ready()  # the old worker drains, and may still accept
    closed = found(fleet.tell(events.Quit()), actions.CloseListeners)
    assert [one.batch for one in closed] == [2, 1]


# --reload ------------------------------------------------------------------------------------


def test_first_generation_that_fails_waits_for_a_change_if_files_are_watched():
    fleet = Fleet(1, is_watched=True)
    (name,) = fleet.fleet.live
    fleet.tell(events.Failed(name, ERROR))
    done = fleet.exit(name, ExitCode.IMPORT_FAILED)
    assert actions.Fail not in kinds(done)
    assert actions.CloseListeners not in kinds(done)
    assert fleet.fleet.phase is Phase.RESTING
    fleet.tell(events.Reload())
    fleet.done.clear()
    fleet.ready()
    assert [one.is_first for one in found(fleet.done, actions.Serve)] == [True]
    assert fleet.fleet.phase is Phase.SERVING


def test_new_master_that_watches_files_ends_if_its_first_generation_fails():
    fleet = Fleet(1, has_old_master=True, is_watched=True)
    (name,) = fleet.fleet.live
    assert actions.Fail in kinds(fleet.exit(name, 1))


# Upgrades ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "level", "words"),
    [
        (0, "info", "has exited on request; this one continues"),
        (7, "error", "exited with code 7; this"),
    ],
)
def test_end_of_a_new_master_is_an_error_only_if_it_is_one(code, level, words):
    fleet = Fleet(1).ready()
    fleet.tell(events.NewMasterStarted(99))
    fleet.tell(events.NewMasterReady())
    done = fleet.tell(events.NewMasterGone(code))
    assert [line.level for line in found(done, actions.Log)] == [level]
    assert words in "".join(texts(done))
