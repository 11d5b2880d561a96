"""What must hold after each event, whatever has happened before."""

from ngxloop.serving.base.states import State
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.phases import Phase, Stage
from tests.serving.fleet.world import check

LONGEST = 31.0  # s, of every back-off and pause
# While a generation comes that has fewer workers, even one more means fewer of those that serve.
ORDERS = (
    events.Quit,
    events.Stop,
    events.StopWorkers,
    events.Scale,
    events.AddWorker,
    events.RemoveWorker,
)
# After these a worker may stop serving: it has failed, or was told to go.
LOSSES = (
    *ORDERS,
    *(events.Exited, events.SpawnFailed, events.Draining, events.Malformed, events.ActionFailed),
)
_FILLED = (Stage.STARTING, Stage.SERVING)
_LIVE = (State.STARTING, State.READY, State.DRAINING, State.STOPPING)


def serving_ids(fleet):
    """Return the processes that serve."""
    if fleet.serving is None:
        return set()
    return {one.id for one in fleet.serving.workers if one.state is State.READY}


class Invariants:
    """Compares the records of a machine, its actions and the world."""

    def __init__(self, machine, world):
        self.machine = machine
        self.world = world
        self.ready = set()  # processes that have said so
        self.recycled = {}  # processes that drain for a replacement, and their generation
        self.before = set()
        self.served = set()  # generations that have served
        self.may_rest = False  # the last order that counts was to rest

    def note_before(self, event):
        if type(event) is events.Ready:
            self.ready.add(event.worker)
        self.before = serving_ids(self.machine.fleet)
        self.replacements = self.machine.fleet.replacements
        self.generation = self.machine.fleet.serving

    def note_order(self, event, done):
        """Note whether workers are wanted."""
        fleet = self.machine.fleet
        if type(event) is events.StopWorkers:
            self.may_rest |= actions.Reply(event.request, "") in done  # else it was refused
        elif type(event) is events.Reload or (
            type(event) is events.NewMasterGone and fleet.phase is Phase.RESTING
        ):
            self.may_rest = False

    def check_actions(self, event, done):
        self.note_order(event, done)
        self.served |= {action.generation for action in done if type(action) is actions.Serve}
        fleet = self.machine.fleet
        if set(fleet.replacements) - set(self.replacements):
            self._check_recycled()
        for action in done:
            kind = type(action)
            if kind is actions.Spawn:
                check(not fleet.is_leaving, "a worker is spawned at the end")
            elif kind is actions.Send and action.order is actions.WorkerOrder.DRAIN:
                self._check_drain(event, action)
            elif kind is actions.Serve:
                self._check_serve(done)

    def _check_serve(self, done):
        """All of a generation is ready when it begins to serve; scale() may add others then."""
        fresh = {action.worker for action in done if type(action) is actions.Spawn}
        workers = self.machine.fleet.serving.workers
        waiting = [one for one in workers if one.state is not State.READY and one.id not in fresh]
        check(all(one.state is State.BACKOFF for one in waiting), "a generation serves too early")
        check(serving_ids(self.machine.fleet), "a generation serves, and none of its workers")

    def _check_drain(self, event, action):
        """A worker that serves drains when another one serves in its place."""
        if action.worker not in self.before or isinstance(event, LOSSES):
            return
        fleet = self.machine.fleet
        if fleet.is_leaving:  # the drain delay is over, or the new master serves
            return
        old = fleet.live[action.worker]
        workers = fleet.serving.workers
        if old.generation is not fleet.serving:
            return  # check_ready() sees that the new generation was ready
        if old.number >= fleet.count:
            return
        follower = workers[old.number]
        is_followed = follower is not old and follower.state is State.READY
        check(is_followed, f"{old.name} drains without a replacement")
        self.recycled[action.worker] = fleet.serving

    def _check_recycled(self):
        """Another one is being replaced."""
        fleet = self.machine.fleet
        found = self.recycled.items()
        self.recycled = {
            one: its for one, its in found if its is fleet.serving and one in fleet.live
        }
        count = len(self.recycled) + len(fleet.replacements)
        check(count <= max(1, fleet.count // 4), f"{count} of {fleet.count} are replaced at once")

    def check_ready(self, event):
        """Workers that serve are not fewer after an event that is nobody's end."""
        fleet = self.machine.fleet
        if isinstance(event, LOSSES) or fleet.is_leaving:
            return
        after = serving_ids(fleet)
        if isinstance(event, events.Beat):
            check(len(self.before - after) == 0, "a worker is lost by a look at it")
        if fleet.serving is self.generation:
            wanted = min(len(self.before), fleet.count)
            check(len(after) >= wanted, "workers that served do not any more")

    def check_records(self):
        fleet, world = self.machine.fleet, self.world
        live, workers = fleet.live, fleet.workers
        slots = {name.slot for name in live}
        check(len(slots) == len(live), "two workers have one slot")
        check(slots.isdisjoint(fleet.free_slots), "a slot is free and taken")
        check(len(slots) + len(fleet.free_slots) == 4 * fleet.most, "a slot is lost")
        check(world.processes.keys() <= live.keys(), "a process is forgotten")
        check(len(workers) == len(set(workers)), "a worker has two places")
        for worker in fleet.leaving:
            check(worker.id is not None, "a worker leaves that is gone")
        if fleet.serving is not None and fleet.coming is None:
            check(len(fleet.serving.workers) == fleet.count, "the number of workers is wrong")
        longest, found = world.now + LONGEST, 0
        for worker in workers:
            if worker.id is not None:
                found += 1
                check(live.get(worker.id) is worker, "a worker is not known by its name")
                self._check_process(worker)
            elif worker.state is State.BACKOFF and worker.deadline is not None:
                check(worker.deadline <= longest, "a back-off is too long")
            if worker.replace_at is not None:
                check(worker.replace_at <= longest, "a pause is too long")
            if worker.reopen_at is not None:
                check(world.now <= worker.reopen_at <= longest, "an order is not given again")
        check(found == len(live), "a worker has no place")
        if fleet.retry_at is not None:
            check(fleet.phase is Phase.RESTING, "a reload is tried again in vain")
            check(world.now <= fleet.retry_at <= longest, "a reload is tried again too late")

    def _check_process(self, worker):
        state, deadline = worker.state, worker.deadline
        check(state in _LIVE, "a process in a state that has none")
        if state is State.READY:
            check(worker.id in self.ready, "a worker serves that has not said so")
            check(deadline is None or worker.is_killed, "a worker serves, and is to be ended")
        else:
            check(deadline is not None, "a worker that does not serve may stay for ever")

    def check_filled(self):
        """Every place of a generation has a process, or waits for one."""
        fleet = self.machine.fleet
        if fleet.is_leaving:
            return
        for generation in (fleet.serving, fleet.coming):
            if generation is not None and generation.stage in _FILLED:
                for worker in generation.workers:
                    if worker.id is None:
                        check(worker.state is State.BACKOFF, "a place has no process")
                        if worker.deadline is None:
                            check(fleet.room <= 0, "a worker waits, and there is room")

    def check_listeners(self):
        """What is open is used: by a generation, or by workers that still accept."""
        fleet = self.machine.fleet
        if fleet.is_leaving:
            return
        coming = {fleet.coming.number} if fleet.coming is not None else set()
        draining = {batch.number for batch in fleet.closing}
        known = {fleet.listening} | coming | draining
        check(self.world.open <= known, "sockets are left open")
        check(fleet.listening in self.world.open, "the sockets that serve are closed")
        accepting = {one.generation.number for one in fleet.live.values() if one.is_accepting}
        check(accepting & self.served <= self.world.open, "sockets are closed too early")

    def check_over(self):
        """Nothing is left."""
        fleet = self.machine.fleet
        check(fleet.phase is Phase.OVER, f"the master does not end: {fleet.phase}")
        check(not self.world.processes, "a process is left")
        check(not self.world.requests, "a request is not answered")
        check(not self.world.zygotes, "a zygote is left")
        check(len(fleet.free_slots) == 4 * fleet.most, "a slot is lost")
        unanswered = {fleet.coming.number} if fleet.coming is not None else set()
        check(self.world.open <= unanswered, "sockets are left open at the end")

    def check_calm(self):
        """When nothing goes wrong any more, all that was wanted is there."""
        fleet = self.machine.fleet
        if fleet.is_ending:
            return
        if fleet.phase is Phase.RESTING:
            check(self.may_rest, "workers are wanted, and the master rests")
            return
        check(fleet.phase is Phase.SERVING, f"nothing serves: {fleet.phase}")
        check(fleet.coming is None, f"a generation still comes: {fleet.coming}")
        check(not fleet.is_reload_wanted, "a reload waits")
        check(len(serving_ids(fleet)) == fleet.count, "workers are missing")
        check(len(fleet.serving.workers) == fleet.count, "workers are too many")
        check(not fleet.leaving, f"{len(fleet.leaving)} do not leave")
        check(self.world.open == {fleet.listening}, f"sockets are left: {self.world.open}")
