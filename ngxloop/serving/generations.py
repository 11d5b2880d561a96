"""Generations of workers: which one serves, which comes, who still leaves; what a death means.

the first generation fails to start   the owner is told and ends
a later one fails to start            it is taken back, the one before goes on serving
all of it is ready                    the one before is drained
a worker that serves dies             another takes its place, later each time it dies young
a worker is to be replaced            its successor is ready before it drains
"""

import functools
import random
import signal
import time
from collections.abc import Callable

from ngxloop import leader
from ngxloop.serving.channel import Kind
from ngxloop.serving.config import LIFETIME_SPREAD, Config
from ngxloop.serving.crew import Crew
from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.filling import Filling
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.listeners import Listeners
from ngxloop.serving.logs import log, report
from ngxloop.serving.options.application import start_advice
from ngxloop.serving.owner import Owner, Reloads
from ngxloop.serving.places import Generation, Place
from ngxloop.serving.poller import Handler, Poller
from ngxloop.serving.recycling import Recycling
from ngxloop.serving.reuseport import spread_listeners
from ngxloop.serving.states import State


class Generations:
    """All workers of a master; the owner of their crew."""

    def __init__(self, owner: Owner, poller: Poller, slot_count: int) -> None:
        self._owner = owner
        self._poller = poller
        self.crew: Crew = Crew(self, poller, slot_count)
        self.serving: Generation | None = None
        self.coming: Generation | None = None  # started, not all of it ready yet
        self.leaving: list[Place] = []  # they drain or stop, and are not replaced
        self.listeners: Listeners = Listeners()  # what the newest generation that served listens to
        self.number: int = 0  # of the newest generation
        self.count: int = 0  # of the workers that are wanted
        self.reloads: Reloads = Reloads()
        self.recycling: Recycling = Recycling(self, poller)
        self.crew.messages.set_action(Kind.WORN, self.recycling.want_worn)
        self._filling = Filling(self, poller.failures)
        self._retired: list[Generation] = []  # some of it may still accept
        self._is_reload_wanted = False
        self.is_resting: bool = False  # no workers, as nginx's master after a WINCH
        self.is_ending: bool = False
        self._deadline_actions: dict[State, Callable[[Place], None]] = {
            State.STARTING: self._give_up_start,
            State.BACKOFF: self._filling.spawn,
            State.DRAINING: self.crew.kill,
            State.STOPPING: self.crew.kill,
        }

    def _step(self, action: Callable[[], object]) -> None:
        """Do one step of several: when it fails, the others follow all the same."""
        self._poller.call(Handler(HandlerName.SERVING_STEP, action))

    def _order(self, place: Place, action: Callable[[], object]) -> None:
        """Order one worker of several; one that cannot be ordered is stopped."""
        stop = functools.partial(self.crew.stop, place)
        self._poller.call(Handler(HandlerName.WORKER_STEP, action, stop, place))

    @property
    def places(self) -> list[Place]:
        """All places, with a process or without."""
        generations = (self.coming, self.serving)
        places = [place for generation in generations if generation for place in generation.places]
        return places + self.recycling.successors + self.leaving

    def close(self) -> None:
        """Give back what the workers shared."""
        self.listeners.close(leave_files=self._owner.is_sharing)
        self.crew.close(leave_files=self._owner.is_sharing)

    # What the master orders --------------------------------------------------------------------

    def start(self, config: Config, count: int, listeners: Listeners) -> None:
        """Start a generation that serves when all of it is ready."""
        self.number += 1
        self.count = count
        if self.serving is None:
            self.listeners = listeners
        self.crew.keepers.begin(config)
        self.crew.open_bells(config, count)
        self.coming = coming = Generation(self.number, config, listeners, count)
        if not config.preload:
            self._fill(coming)
            return
        try:
            self.crew.preload(coming.places[0], lambda error: self._preloaded(coming, error))
        except OSError as error:
            line = f"cannot fork a process to load {config.app}: {error}"
            self.reject_generation(coming, StartError(ExitCode.START_FAILED, line))

    def _preloaded(self, coming: Generation, error: StartError | None) -> None:
        """Its application is loaded, or cannot be."""
        if self.coming is not coming or self.is_ending:
            return
        if error is None:
            self._fill(coming)
        else:
            self.reject_generation(coming, error)

    def _fill(self, coming: Generation) -> None:
        for place in coming.places:
            if self.coming is coming:  # not rejected for one that could not be forked
                self._filling.spawn(place)

    def reload(self) -> None:
        """Start a new generation; when it is ready, the serving one is drained."""
        self._is_reload_wanted = True
        self.start_wanted_reload()

    def scale(self, count: int) -> None:
        """Let that many workers serve."""
        self.count = count
        generation = self.serving
        if generation is None or self.is_ending:
            return  # it is done when the coming one serves
        surplus = generation.places[count:]
        self._spread(generation, surplus)
        self.crew.open_bells(generation.config, count)
        while len(generation.places) < count:
            self._filling.spawn(generation.add())
        del generation.places[count:]
        for place in surplus:
            self.recycling.forget(place)
            self.dismiss(place)

    def _spread(self, generation: Generation, surplus: list[Place]) -> None:
        """Have as many sockets at an address as its mode wants; close those of the surplus."""
        if self.coming is not None or generation.config.accept != "reuseport":
            return  # the coming one has its own count; and it is done again when that serves
        before = generation.listeners.opened[:]
        try:
            spread_listeners(generation.listeners, self.count, generation.config.backlog)
        except StartError as error:
            log.error("%s: new workers share the sockets that there are", error.line)
        kept = generation.listeners.sockets
        gone = Listeners([opened for opened in before if opened.sock not in kept])
        if gone.opened:  # a connection that came to them later would wait for ever
            leaving = Generation(generation.number, generation.config, gone, 0)
            leaving.places = surplus
            self._retired.append(leaving)

    def rest(self) -> None:
        """Drain all workers; the sockets stay open, connections wait for a reload."""
        if self.serving is not None and self.coming is None:
            self.is_resting = True
            self._dismiss_all(self.serving)
            self.serving = None

    def end(self, seconds: float | None = None) -> None:
        """Drain everything for good."""
        self.is_ending = True
        is_last = not self._owner.is_sharing
        self._step(self.crew.zygotes.close_all)
        for listeners in (self.listeners, *([self.coming.listeners] if self.coming else [])):
            self._step(functools.partial(listeners.close, leave_files=not is_last))
        for place in self.places:
            retire = functools.partial(self.crew.retire, place, seconds, is_last=is_last)
            self._order(place, retire)

    def stop(self) -> None:
        """End all workers now."""
        for place in self.places:
            self._order(place, functools.partial(self.crew.stop, place))

    def reopen_logs(self) -> None:
        """Let all workers open their log files again."""
        self._step(self.crew.zygotes.reopen_logs)
        self._step(self.crew.keepers.reopen_logs)
        for place in self.crew.places:
            self._order(place, functools.partial(place.order, Kind.REOPEN))

    def next_deadline(self) -> float | None:
        """Return when act_on_deadlines() has something to do, in monotonic time."""
        deadlines = [place.deadline for place in self.places if place.deadline is not None]
        return min(deadlines, default=None)

    def act_on_deadlines(self) -> None:
        """Do what is due: kill who did not end, fork what was put off."""
        now = time.monotonic()
        for place in self.places:
            if place.deadline is not None and place.deadline <= now:
                place.deadline = None
                if action := self._deadline_actions.get(place.state):
                    act = functools.partial(action, place)
                    self._poller.call(Handler(HandlerName.DEADLINE, act, place.put_off, place))

    def dismiss(self, place: Place) -> None:
        """Let a worker go that nobody replaces, or whose successor is there."""
        if place.is_live and place not in self.leaving:
            self.leaving.append(place)
        self.crew.retire(place)

    # Reload ------------------------------------------------------------------------------------

    def start_wanted_reload(self) -> None:
        """Begin the reload that was asked for, if the last one is over and there is room."""
        if not self._is_reload_wanted or self.coming is not None or self.is_ending:
            return
        if not self._filling.has_room_for_a_reload:
            log.info("the reload waits: %d old workers still drain", len(self.leaving))
            return
        self._is_reload_wanted = False
        self._poller.call(Handler(HandlerName.RELOAD, self._begin_reload, self._give_up_reload))

    def _begin_reload(self) -> None:
        self._owner.reload_began()
        try:
            config, count, listeners = self._owner.prepare_reload(self.listeners)
        except StartError as error:
            self._report_failed_reload(error)
            return
        log.info("reloading: generation %d starts", self.number + 1)
        config.hook_functions.call("on_reload")
        self.start(config, count, listeners)

    def _give_up_reload(self) -> None:
        """Take back what a reload has begun; it failed for a reason of our own."""
        error = StartError(ExitCode.INTERNAL, "a defect in ngxloop; the traceback says where")
        if self.coming is not None:
            self.reject_generation(self.coming, error)
        else:
            self._report_failed_reload(error)

    def accept_generation(self, coming: Generation) -> None:
        """All of the new generation is ready: it serves, the one before leaves."""
        old, self.serving, self.coming = self.serving, coming, None
        self.is_resting = False
        self.listeners = coming.listeners
        if old is not None:
            log.info("reloaded: generation %d serves, %d drains", coming.number, old.number)
            self._step(lambda: self._dismiss_all(old))
        if coming.number > 1:
            self.reloads.ok += 1
        self._step(lambda: self._owner.generation_serves(coming))
        self._step(lambda: self.scale(self.count))
        self.start_wanted_reload()

    def reject_generation(self, coming: Generation, error: StartError) -> None:
        """The new generation cannot serve: take it back; without one before it, end."""
        self.coming = None
        self._step(lambda: self._dismiss_all(coming))
        if self.serving is None and not self.is_resting:
            self.is_ending = True
            self.listeners.close(leave_files=self._owner.is_sharing)
            self._owner.start_failed(error)
            return
        if self.serving is not None:
            self.count = len(self.serving.places)
        coming.listeners.close(keep=self.listeners)
        self._report_failed_reload(error)
        self.start_wanted_reload()

    def _report_failed_reload(self, error: StartError) -> None:
        report(error.line, error.traceback)
        number = self.serving.number if self.serving else 0
        log.error("reload failed: generation %d goes on serving", number)
        self.reloads.failed += 1
        self.reloads.error = error.line
        self._owner.reload_failed()

    def _dismiss_all(self, generation: Generation) -> None:
        self.recycling.forget_all(generation)
        self._retired.append(generation)
        self.crew.zygotes.close(generation.number)
        for place in generation.places:
            self._order(place, functools.partial(self.dismiss, place))
        self.close_unused_listeners()

    def close_unused_listeners(self) -> None:
        """Close sockets that were removed from the configuration, once nobody accepts on them."""
        for generation in self._retired[:]:
            if not any(place.is_accepting for place in generation.places):
                self._retired.remove(generation)
                if not self.is_ending:
                    kept = self._kept_listeners()
                    generation.listeners.close(kept, leave_files=self._owner.is_sharing)

    def _kept_listeners(self) -> Listeners:
        coming = self.coming.listeners.opened if self.coming else []
        return Listeners([*self.listeners.opened, *coming])

    def _coming_of(self, place: Place) -> Generation | None:
        """Return the coming generation if the place is one of its."""
        return self.coming if self.coming is not None and place in self.coming.places else None

    # What the crew tells -----------------------------------------------------------------------

    def worker_ready(self, place: Place) -> None:
        """Count it; see messages.Listener."""
        log.info("%s ready (process %d)", place, place.pid)
        spread = 1 + LIFETIME_SPREAD * random.random()  # each lives for another time
        place.lifetime = place.generation.config.max_lifetime * spread
        if self.recycling.has(place):
            self.recycling.successor_ready(place)
        elif self.coming is not None and self.coming.is_ready:
            self.accept_generation(self.coming)

    def worker_leaves(self, place: Place) -> None:
        """Replace it, later if workers leave young again and again; see messages.Listener."""
        log.info("%s (process %d) drains by itself and is replaced", place, place.pid)
        place.count_end()
        successor = self.recycling.promote(place)
        for generation in (self.serving, self.coming):
            if generation is not None and place in generation.places:
                self.leaving.append(place)
                fresh = generation.replace(place, successor)
                if successor is None:
                    self._filling.spawn_again(fresh)

    def worker_silent(self, place: Place) -> None:
        """Close listeners on which no worker accepts; see messages.Listener."""
        self.close_unused_listeners()

    def worker_gone(self, place: Place, reason: str, code: int | None) -> None:
        """Decide what its death means; see crew.Owner."""
        advice = "start the application by itself to see why"
        line = f"{place} {reason} while starting; {advice}"
        error = place.failure or StartError(ExitCode.START_TIMEOUT, line)
        is_first_term = code == -signal.SIGTERM and _is_first_death(place)
        if is_first_term and self._coming_of(place) and not self.is_ending:
            self.refill(place)  # no fault of the application; ours may be on its way as well
        else:
            self.lose(place, error)
        self.close_unused_listeners()

    def forget_in_worker(self, place: Place) -> None:
        """Close the master's descriptors, and sockets of others, in a worker; see crew.Owner.

        A listening socket that is still open here would go on taking connections for ever after
        all who accept on it have closed it.
        """
        coming = [self.coming] if self.coming else []
        for generation in (*self._retired, *coming):
            generation.listeners.close(keep=place.generation.listeners)
        self.listeners.close(keep=place.generation.listeners)
        place.generation.listeners.keep_own(place.number)
        self._owner.forget_in_worker()

    def forget_in_child(self) -> None:
        """Close all that the master and its workers have, in another fork; see crew.Owner."""
        coming = [self.coming] if self.coming else []
        for generation in (*self._retired, *coming):
            generation.listeners.close(leave_files=True)
        self.listeners.close(leave_files=True)
        leader.close_seat()
        self._owner.forget_in_worker()

    # Workers: lost and replaced ----------------------------------------------------------------

    def spawn_successor(self, place: Place) -> Place:
        """Start a process that will have this place, and return where it stands."""
        successor = place.generation.successor(place)
        self.crew.spawn(successor)
        return successor

    def lose(self, place: Place, error: StartError) -> None:
        """A place has no process any more, or did not get one."""
        if place in self.leaving:
            self.leaving.remove(place)
            self._filling.fill_waiting_place()
            self.recycling.advance()
            self.start_wanted_reload()
        elif self.is_ending:
            return
        elif coming := self._coming_of(place):
            self.reject_generation(coming, error)
        elif self.recycling.has(place):
            report(error.line, error.traceback)
            self.recycling.successor_lost(place)
        else:
            if place.failure is not None:
                report(place.failure.line, place.failure.traceback)
            self.refill(place)

    def refill(self, place: Place) -> None:
        """Give a serving place another process: the successor that comes already, or a new one."""
        successor = self.recycling.promote(place)
        if successor is not None:
            place.generation.replace(place, successor)
            return
        self._filling.spawn_again(place)

    def _give_up_start(self, place: Place) -> None:
        config = place.generation.config
        seconds = config.start_timeout
        advice = start_advice(config.app, config.interface, config.ready_on)
        error = StartError(
            ExitCode.START_TIMEOUT, f"{place} was not ready after {seconds:g} s; {advice}"
        )
        place.failure = error
        self.crew.retire(place)  # it may be ready by now
        if coming := self._coming_of(place):
            self.reject_generation(coming, error)


def _is_first_death(place: Place) -> bool:
    return place.failure is None and place.history.young_ends == 1
