"""Random schedules for the machine: `make simulate` runs a million events.

A run is: a start, a time in which everything goes wrong, often a calm one after it, and the end.
"""

import argparse
import concurrent.futures
import os
import random
import time

from ngxloop.serving.fleet import events
from ngxloop.serving.fleet.machine import Machine
from ngxloop.serving.fleet.names import WorkerId
from tests.serving.fleet.invariants import Invariants
from tests.serving.fleet.world import ERROR, World, check

EVENTS_PER_RUN = 2000
CALM_SECONDS = 150.0
END_SECONDS = 150.0
LOOK_SECONDS = 0.5  # between two looks at the scoreboard
_MANY = 10_000_000


class Run:
    """One life of a master."""

    def __init__(self, seed, machine_class=Machine):
        self.random = random.Random(seed)
        most = self.random.choice((1, 2, 4, 8))
        self.world = World(self.random, self.random.choice((0.2, 1.0, 1.0, 3.0)), most)
        has_old = self.random.random() < 0.2
        self.machine = machine_class(most, has_old)
        if has_old:
            self.world.tell(events.OldMasterGone(9), self.random.choice((1.0, 30.0)))
        self.invariants = Invariants(self.machine, self.world)
        self.event_count = 0
        self.looked_at = 0.0
        self.request = 0
        self.most = most

    def go(self):
        """Live; return the number of events."""
        self.start()
        while self.event_count < EVENTS_PER_RUN and not self.machine.is_over:
            self.disturb()
            self.step()
        if self.random.random() < 0.7:
            self.calm_down()
        self.end()
        return self.event_count

    def start(self):
        world = self.world
        world.open.add(1)
        world.settings[1] = world.make_settings()
        count = self.random.randint(1, self.most)
        self.handle(events.Start(world.settings[1], count))

    def handle(self, event):
        """Let the machine decide, do it, and check everything."""
        machine, world, invariants = self.machine, self.world, self.invariants
        self.event_count += 1
        invariants.note_before(event)
        done = machine.handle(event, world.now)
        invariants.check_actions(event, done)
        for action in done:
            world.do(action)
        invariants.check_ready(event)
        invariants.check_records()
        invariants.check_filled()
        invariants.check_listeners()

    def step(self):
        """Let the next thing happen; look at the workers now and then."""
        deadline = self.machine.next_deadline()
        if self.world.now - self.looked_at > LOOK_SECONDS:
            self.look()
        event = self.world.next_event(deadline)
        if event is None:
            self.world.now += 0.1
            return
        is_tick = type(event) is events.Tick
        self.handle(event)
        if is_tick:
            following = self.machine.next_deadline()
            check(following is None or following > self.world.now, "a deadline is not handled")

    def next_time(self):
        """Return when the next thing happens."""
        times = [self.machine.next_deadline(), *(when for when, _, _ in self.world.queue[:1])]
        return min((time for time in times if time is not None), default=self.world.now)

    def look(self):
        """Read the scoreboard."""
        world = self.world
        self.looked_at = world.now
        for process in list(world.processes.values()):
            if process.is_hung:
                beat = events.Beat(process.id, process.turns, world.now - process.beat_at)
            else:
                process.beat_at = world.now
                process.turns += 1
                beat = events.Beat(process.id, process.turns, 0.0)
            if self.random.random() < 0.3 or process.is_hung:
                self.handle(beat)

    def disturb(self):
        """Give an order, or let something happen to a worker."""
        if self.random.random() < 0.12 * min(1.0, self.world.chaos):
            self.handle(self.random.choice(_WORKER_EVENTS)(self))
        if self.random.random() < 0.03:
            kind = self.random.choice(_ORDERS)
            self.order(kind)
            if kind is events.StopWorkers and self.random.random() < 0.5:
                self.order(events.Reload)
        if self.random.random() < 0.0002:
            self.order(self.random.choice((events.Quit, events.Stop)))

    def order(self, kind):
        if self.machine.is_over:
            return
        self.request += 1
        self.world.requests.add(self.request)
        more = {"count": self.random.randint(0, self.most + 1)} if kind is events.Scale else {}
        if kind is events.Upgrade and self.random.random() < 0.3:
            more = {"problem": "not today"}
        self.handle(kind(self.request, **more))

    def calm_down(self):
        """Let everything go well for a time; then all is as it was ordered."""
        world = self.world
        world.chaos = 0.0
        for process in world.processes.values():
            process.is_hung = False
        for process in list(world.processes.values()):  # who was lost on the way is found
            if process.is_told or not process.has_ended:
                self.world.tell(events.Ready(process.id), 0.1)
        until = world.now + CALM_SECONDS
        while world.now < until and not self.machine.is_over:
            if self.machine.next_deadline() is None and not world.queue:
                break
            self.step()
        if not any(one.settings.max_lifetime for one in self.generations()):
            self.invariants.check_calm()

    def generations(self):
        fleet = self.machine.fleet
        return [one for one in (fleet.serving, fleet.coming) if one is not None]

    def end(self):
        """Quit, in a reload perhaps, and see that it ends."""
        if self.random.random() < 0.2:
            self.order(events.Reload)
        self.order(self.random.choice((events.Quit, events.Quit, events.Stop)))
        is_patient = self.machine.fleet.settings.has_nginx_signals
        until = self.world.now + END_SECONDS
        while not self.machine.is_over and self.world.now < until:
            if is_patient and self.next_time() > until - END_SECONDS / 2:
                self.world.now = max(self.world.now, until - END_SECONDS / 2)
                self.handle(events.Stop())  # with nginx's signals QUIT waits as long as it takes
                is_patient = False
            if self.machine.next_deadline() is None and not self.world.queue:
                break
            self.step()
        self.invariants.check_over()


def _any_worker(run):
    """Return a worker, or one that never was, or is gone."""
    known = list(run.machine.fleet.live)
    if known and run.random.random() < 0.9:
        return run.random.choice(known)
    return WorkerId(run.random.randrange(4), run.random.randint(1, 50))


def _dies(run):
    """Let a process die; the end is heard of at once, or the machine hears nothing sensible."""
    name = _any_worker(run)
    process = run.world.processes.get(name)
    if process is None or process.has_ended:
        return events.Tick()
    process.has_ended = True
    code = run.random.choice((0, 1, -9, -11, -15))
    return events.Exited(name, code, f"exited with code {code}")


def _hangs(run):
    process = run.world.processes.get(_any_worker(run))
    if process is not None:
        process.is_hung = True
    return events.Tick()


_WORKER_EVENTS = [
    _dies,
    _dies,
    _hangs,
    lambda run: events.Ready(_any_worker(run)),
    lambda run: events.Draining(_any_worker(run)),
    lambda run: events.MaxRequestsReached(_any_worker(run)),
    lambda run: events.MaxRequestsReached(_any_worker(run)),
    lambda run: events.RssExceeded(_any_worker(run), 200.0, 100.0),
    lambda run: events.RssExceeded(_any_worker(run), 200.0, 100.0),
    lambda run: events.Malformed(_any_worker(run), "it has sent nonsense"),
    lambda run: events.Failed(_any_worker(run), ERROR),
    lambda run: events.ListenersClosed("127.0.0.1:80"),
]
_ORDERS = [
    events.Reload,
    events.Reload,
    events.Reload,
    events.Scale,
    events.Scale,
    events.AddWorker,
    events.RemoveWorker,
    events.StopWorkers,
    events.Reopen,
    events.Upgrade,
]


def simulate(wanted, first_seed=0, machine_class=Machine):
    """Run until there were so many events; return how many there were.

    Raises:
        Broken: Something does not hold; the seed is in the message.
    """
    count, seed = 0, first_seed
    while count < wanted:
        run = Run(seed, machine_class)
        try:
            count += run.go()
        except Exception as error:
            error.add_note(f"seed {seed}, event {run.event_count}")
            raise
        seed += 1
    return count


def _share(number, wanted):
    return simulate(wanted, number * _MANY)


def main():
    """Run a number of events, on all CPUs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    began = time.monotonic()
    processes = os.cpu_count() or 1
    share = given.count // processes + 1
    with concurrent.futures.ProcessPoolExecutor(processes) as pool:
        seeds = [given.seed + number for number in range(processes)]
        count = sum(pool.map(_share, seeds, [share] * processes))
    print(f"{count} events in {time.monotonic() - began:.1f} s: everything holds")


if __name__ == "__main__":
    main()
