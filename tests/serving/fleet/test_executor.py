"""The executor: the order of events and actions, and what follows a failure."""

import time

import pytest

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.fleet import actions, events, executor
from ngxloop.serving.fleet.executor import Executor
from ngxloop.serving.fleet.machine import Machine
from ngxloop.serving.fleet.settings import Settings
from ngxloop.serving.master.actionhandlers import ActionHandlers
from ngxloop.serving.process.poller import Poller
from tests.support.waiting import wait_until_blocking


class Workers:
    """Does what is wanted of workers, in memory; a step can be told to raise."""

    def __init__(self):
        self.done = []
        self.failing = ()
        self.tell = None
        self.zygote_starter = self

    def find(self, name):
        return None

    def prepare_worker(self, action):
        pass

    def fork(self, spawns):
        for action in spawns:
            self.spawn(action)

    def __getattr__(self, name):
        def do(action):
            self.done.append(action)
            if type(action) in self.failing:
                raise RuntimeError("raised on purpose")
            if isinstance(action, actions.Spawn):
                self.tell(events.Spawned(action.worker))
                self.tell(events.Ready(action.worker))

        return do


@pytest.fixture
def made():
    poller, workers = Poller(), Workers()
    made = Executor(Machine(4), poller)
    workers.tell = made.tell
    kinds = [one for one in vars(actions).values() if isinstance(one, type)]
    others = {kind: workers.other for kind in kinds if issubclass(kind, actions.Action)}
    for own in (actions.Log, actions.Report, actions.Reply, actions.Spawn, actions.Send):
        others.pop(own)
    made.connect(workers, others)
    made.workers, made.poller = workers, poller
    yield made
    poller.close()


def kinds(done):
    return [type(action) for action in done]


def test_actions_of_an_event_are_done_before_the_events_that_they_bring(made):
    made.tell(events.Start(Settings(), 2))
    done = [kind for kind in kinds(made.workers.done) if kind is not actions.PrepareWorkers]
    assert done == [actions.Spawn, actions.Spawn, actions.Serve]


def test_event_that_could_not_be_handled_is_handled_again(made, monkeypatch):
    made.tell(events.Start(Settings(), 1))
    handle = made.machine.handle

    def fail(event, now):
        raise RuntimeError("raised on purpose")

    monkeypatch.setattr(made.machine, "handle", fail)
    made.tell(events.AddWorker())
    made.tell(events.Tick())  # which comes again by itself
    assert made.poller.failures.counts[HandlerName.DECISION] == 2
    monkeypatch.setattr(made.machine, "handle", handle)

    def has_grown():
        made.poller.wait(0.01)
        return made.machine.fleet.count == 2

    wait_until_blocking(has_grown)


def test_action_that_raises_is_told_to_the_machine(made):
    made.tell(events.Start(Settings(), 1))
    made.workers.failing = (actions.Spawn,)
    made.tell(events.AddWorker())
    assert made.poller.failures.counts[HandlerName.SPAWNING] >= 1
    made.workers.failing = ()

    def is_ready():
        time.sleep(made.wait_seconds() or 0)
        made.tick()
        return all(one.is_live for one in made.machine.fleet.serving.workers)

    wait_until_blocking(is_ready)


def test_orders_are_answered(made):
    made.tell(events.Start(Settings(), 1))
    answers = []
    made.ask(events.Scale(count=2), answers.append)
    made.ask(events.Scale(count=99), answers.append)
    assert answers[0] == ""
    assert answers[1].startswith("cannot have 99 workers")


def test_number_of_orders_that_wait_is_limited(made, monkeypatch):
    monkeypatch.setattr(executor, "MOST_REQUESTS", 2)
    made.tell(events.Start(Settings(), 1))
    answers = []
    for _ in range(3):
        made.ask(events.Reload(), answers.append)
    assert answers == ["too many orders wait for their outcome"]


def test_number_of_events_that_wait_to_be_handled_again_is_limited(made, monkeypatch):
    monkeypatch.setattr(executor, "MOST_KEPT", 3)
    made.tell(events.Start(Settings(), 1))
    monkeypatch.setattr(made.machine, "handle", None)
    answers = []
    for _ in range(5):
        made.ask(events.AddWorker(), answers.append)
    assert answers == ["it failed; see the log of the master"] * 2
    monkeypatch.undo()

    def has_grown():
        made.poller.wait(0.01)
        return made.machine.fleet.count == 4

    wait_until_blocking(has_grown)


def test_every_action_is_done_by_somebody():
    known = {one for one in vars(actions).values() if isinstance(one, type)}
    wanted = {one for one in known if issubclass(one, actions.Action)} - {actions.Action}
    poller = Poller()
    made = Executor(Machine(1), poller)
    made.connect(Workers(), object.__new__(ActionHandlers).table)
    poller.close()
    assert wanted - made._actions.keys() == {actions.Fail}  # which Components adds
