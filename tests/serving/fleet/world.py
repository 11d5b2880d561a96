"""A world for the machine without processes: what it orders happens, or fails, late or never.

Workers start, serve, hang, leave and die at random; forks fail; messages are lost, late and
doubled; signals and orders come at any time. What an executor guarantees holds here, too: a Spawn
is answered, and the end of every process is heard of.
"""

import dataclasses
import heapq
import itertools

from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.settings import Settings

ERROR = StartError(ExitCode.IMPORT_FAILED, "it raised")
_ALWAYS = {events.Spawned, events.SpawnFailed, events.Exited, events.ReloadPrepared}
_ALWAYS |= {events.ReloadRefused, events.ZygoteReady, events.ZygoteFailed, events.NewMasterStarted}
_ALWAYS |= {events.NewMasterFailed, events.NewMasterGone, events.OldMasterGone}


class Broken(AssertionError):  # noqa: N818 - what it says of the machine
    """Something that must hold does not."""


def check(is_right, what):
    if not is_right:
        raise Broken(what)


@dataclasses.dataclass
class Process:
    """A worker as the kernel would have it."""

    id: object
    generation: int
    number: int
    is_hung: bool = False
    has_ended: bool = False
    beat_at: float = 0.0
    turns: int = 1
    spawned_at: float = 0.0
    is_told: bool = False  # to drain or stop
    is_serving: bool = False


class EventQueue:
    """Events on their way to the machine: late, twice, or never."""

    def __init__(self, random, chaos):
        self.random = random
        self.chaos = chaos  # how often something goes wrong, 0 to 1
        self.now = 1000.0
        self.queue = []  # (time, number, event)
        self.numbers = itertools.count()

    def chance(self, probability):
        return self.random.random() < probability * self.chaos

    def tell(self, event, delay=0.0):
        """Let the machine know, unless the message is lost."""
        if type(event) not in _ALWAYS:
            if self.chance(0.02):
                return
            if self.chance(0.02):
                self._push(event, delay + self.random.expovariate(1))
            if self.chance(0.05):
                delay += self.random.expovariate(0.5)
        self._push(event, delay)

    def _push(self, event, delay):
        heapq.heappush(self.queue, (self.now + delay, next(self.numbers), event))

    def next_event(self, deadline):
        """Return what happens next: an event, or a Tick when the machine wants one."""
        when = self.queue[0][0] if self.queue else float("inf")
        if deadline is not None and deadline <= when:
            self.now = max(self.now, deadline)
            return events.Tick()
        if not self.queue:
            return None
        self.now, _, event = heapq.heappop(self.queue)
        return event


class World(EventQueue):
    """Everything outside of the machine."""

    def __init__(self, random, chaos, most):
        super().__init__(random, chaos)
        self.most = most  # workers
        self.processes = {}  # by id, until Release
        self.slots = set()
        self.unborn = set()  # the fork has failed, and the machine is to be told
        self.settings = {}  # of each generation
        self.open = set()  # batches with open listeners
        self.zygotes = set()
        self.new_master = 0
        self.requests = set()  # that wait for a reply
        self.spawns = {}  # the last times, by generation and number

    def make_settings(self):
        choice = self.random.choice
        return Settings(
            start_timeout=choice((2.0, 10.0)),
            graceful_timeout=choice((0.0, 1.0, 5.0)),
            drain_delay=choice((0.0, 0.0, 2.0)),
            hang_timeout=choice((0.0, 1.0)),
            max_lifetime=choice((0.0, 0.0, 3.0, 20.0)),
            is_preloaded=choice((False, False, True)),
            has_own_sockets=choice((False, True)),
            has_nginx_signals=choice((False, False, False, True)),
            is_auto_upgrade=choice((False, False, True)),
            is_watched=choice((False, False, True)),
        )

    # What the machine orders -----------------------------------------------------------------

    def do(self, action):
        """Carry an action out; a few fail for a reason that nobody has thought of."""
        if type(action) in FRAGILE and self.chance(0.01):
            if type(action) is actions.Spawn:
                self.unborn.add(action.worker)
            self._push(events.ActionFailed(action), 0.0)
        else:
            ACTIONS[type(action)](self, action)

    def spawn(self, action):
        name = action.worker
        check(name not in self.processes, f"{name} is spawned twice")
        check(name.slot not in self.slots, f"slot {name.slot} has two processes")
        check(action.generation in self.open, "a worker of a generation without sockets")
        self._count_spawn(action)
        if self.chance(0.05):
            is_explained = self.random.random() < 0.8
            self.unborn.add(name)
            self.tell(events.SpawnFailed(name, "no memory", is_explained), self._soon())
            return
        process = Process(name, action.generation, action.number, spawned_at=self.now)
        self.processes[name] = process
        self.slots.add(name.slot)
        self.tell(events.Spawned(name), self.random.choice((0.0, 0.0, 0.01)))
        self._live(process)

    def _count_spawn(self, action):
        key = action.generation, action.number
        times = [time for time in self.spawns.get(key, ()) if time > self.now - 5]
        times.append(self.now)
        self.spawns[key] = times
        check(len(times) <= 40, f"{len(times)} processes of worker {key} in 5 s")

    def _soon(self):
        return self.random.choice((0.0, 0.001, 0.01))

    def _live(self, process):
        """Plan what the process does by itself."""
        name, delay = process.id, self.random.choice((0.02, 0.2, 1.0))
        if self.chance(0.04):  # it cannot start
            self.tell(events.Failed(name, ERROR), delay)
            self.end(process, delay + 0.01, 6)
            return
        if self.chance(0.03):  # it dies while it starts
            self.end(process, delay / 2, self.random.choice((-9, -15, 1)))
            return
        if self.chance(0.02):  # it never gets ready
            process.is_hung = self.random.random() < 0.5
            return
        self.tell(events.Ready(name), delay)

    def end(self, process, delay, code):
        """Let the process end, and be reaped a moment later."""
        if not process.has_ended:
            process.has_ended = True
            self.tell(events.Exited(process.id, code, f"exited with code {code}"), delay)

    def send(self, action):
        process = self.find(action.worker)
        if process is None:
            return
        if action.order in {actions.WorkerOrder.ACCEPT, actions.WorkerOrder.REOPEN}:
            if process.is_hung or self.chance(0.1):
                self.tell(events.OrderLost(process.id, action.order))
            return
        process.is_told = True
        if self.chance(0.005):
            self._push(events.ActionFailed(action), 0.0)
            return
        if process.is_hung or process.has_ended or self.chance(0.01):
            return
        if action.order is actions.WorkerOrder.STOP:
            self.end(process, 0.05, self.random.choice((0, -15)))
            return
        self.tell(events.Draining(process.id), 0.01)
        self.end(process, self.random.choice((0.02, 0.5, 3.0)), 0)

    def kill(self, action):
        process = self.find(action.worker)
        if process is not None and not self.chance(0.05):  # else it is in the kernel for a while
            self.end(process, self._soon(), -9)

    def dump(self, action):
        process = self.find(action.worker)
        if process is not None and self.random.random() < 0.3:
            process.is_hung = False

    def find(self, name):
        """Return a process that is ordered about, None if its fork has failed."""
        check(name in self.processes or name in self.unborn, f"an order to no process, {name}")
        return self.processes.get(name)

    def release(self, action):
        process = self.processes.pop(action.worker, None)
        check(process is not None, "a slot is freed twice")
        check(process.has_ended, "the slot of a live process is freed")
        self.slots.remove(action.worker.slot)

    def start_zygote(self, action):
        self.zygotes.add(action.generation)
        if self.chance(0.2):
            self.tell(events.ZygoteFailed(action.generation, ERROR), 0.5)
            return
        self.tell(events.ZygoteReady(action.generation), 0.5)
        if self.chance(0.2):
            self.tell(events.ZygoteFailed(action.generation, ERROR), 3.0)

    def close_zygotes(self, action):
        if action.generation is None:
            self.zygotes.clear()
        self.zygotes.discard(action.generation)

    def prepare(self, action):
        number = action.generation
        if self.chance(0.1):
            self.tell(events.ReloadRefused(number, ERROR), self._soon())
            return
        self.open.add(number)
        self.settings[number] = self.make_settings()
        count = action.count if self.random.random() < 0.8 else self.random.randint(1, self.most)
        event = events.ReloadPrepared(number, self.settings[number], count)
        self.tell(event, self._soon())

    def close_listeners(self, action):
        check(action.batch not in action.kept, "sockets are closed that are kept")
        if action.batch > 0:
            check(action.batch in self.open, f"the sockets of {action.batch} are closed twice")
        self.open.discard(action.batch)

    def spread(self, action):
        check(action.generation in self.open, "no sockets to spread")
        self.open.add(action.batch)

    def start_new_master(self, action):
        check(not self.new_master, "two new masters")
        if self.chance(0.3):
            self.tell(events.NewMasterFailed("no memory"))
            return
        self.new_master = self.random.randint(2, 1000)
        self.tell(events.NewMasterStarted(self.new_master))
        if self.random.random() < 0.7:
            self.tell(events.NewMasterReady(), 1.0)
        if self.random.random() < 0.7:
            delay = self.random.choice((0.5, 5.0, 20.0))
            self.tell(events.NewMasterEnding(), delay / 2)
            self.tell(events.NewMasterGone(0), delay)

    def restore_names(self, action):
        check(self.new_master, "names are taken back from nobody")
        self.new_master = 0

    def reply(self, action):
        check(action.request in self.requests, f"request {action.request} is answered twice")
        self.requests.remove(action.request)

    def ignore(self, action):
        pass


FRAGILE = {actions.Spawn, actions.PrepareConfig, actions.StartZygote}
ACTIONS = {
    actions.Spawn: World.spawn,
    actions.Send: World.send,
    actions.Kill: World.kill,
    actions.DumpStacks: World.dump,
    actions.Release: World.release,
    actions.StartZygote: World.start_zygote,
    actions.CloseZygotes: World.close_zygotes,
    actions.PrepareConfig: World.prepare,
    actions.CloseListeners: World.close_listeners,
    actions.SpreadReuseport: World.spread,
    actions.StartNewMaster: World.start_new_master,
    actions.RestoreNames: World.restore_names,
    actions.Reply: World.reply,
    **dict.fromkeys(
        (
            actions.DropShared,
            actions.PrepareWorkers,
            actions.SetReadiness,
            actions.Serve,
            actions.ReopenLogs,
            actions.Notify,
            actions.CallHook,
            actions.Log,
            actions.Report,
            actions.Fail,
        ),
        World.ignore,
    ),
}
