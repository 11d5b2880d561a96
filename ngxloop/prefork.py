"""The prefork master: binds, forks workers, replaces the dead, reloads, drains.

One thread, no event loop. Everything happens in one turn: wait for signals and worker channels, act
on them, act on the deadlines that have passed. The state of a worker is a table in
serving/states.py, its process the business of serving/crew.py; this module decides about
generations of them:

    the first generation fails to start   the master ends with the workers' error
    a later one fails to start            it is taken back, the one before goes on serving
    all of it is ready                    the one before is drained
    a worker that serves dies             another takes its place, later each time it dies young

nginx: ngx_master_process_cycle. Different on purpose: readiness is waited for, not 100 ms; TERM is
graceful; a respawn backs off.
"""

import contextlib
import signal
import threading
import time
from collections.abc import Callable
from typing import ClassVar

from ngxloop.serving.config import Config
from ngxloop.serving.crew import Crew
from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.listeners import (
    Listeners,
    check_descriptors,
    open_listeners,
    queue_limit,
)
from ngxloop.serving.logs import complain, log, report, set_up_logs
from ngxloop.serving.options.application import HTTP_INTERFACES
from ngxloop.serving.places import Generation, Place, respawn_delay
from ngxloop.serving.poller import Poller
from ngxloop.serving.rlimits import raise_descriptor_limit
from ngxloop.serving.signals import SignalPipe
from ngxloop.serving.states import Event, State

__all__ = ["Config", "Master"]

# Processes for each worker: one serves, one comes, one still drains, and one in reserve that no
# reload uses up, for workers that leave by themselves.
_SLOTS_PER_WORKER = 4
_SLOTS_FOR_A_RELOAD = 2  # for each worker: one to fill and the one in reserve
_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


class Master:
    """Run one application in N workers until a signal ends it; for the main thread.

    Args:
        config: What to serve, and how.

    Notes:
        TERM, INT and QUIT drain the workers and end; a second one ends at once. HUP reloads.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        config.prepare()
        self._count, self._count_reason = config.count_workers()
        self._signals = SignalPipe()
        self._listeners = Listeners()
        self._serving: Generation | None = None
        self._coming: Generation | None = None  # started, not all of it ready yet
        self._leaving: list[Place] = []  # they drain or stop, and are not replaced
        self._generation_count = 0
        self._is_reload_wanted = False
        self._is_ending = False
        self._was_run = False
        self._exit_code: int = ExitCode.OK

    def run(self) -> int:
        """Serve until told to end; return the exit code, see errors.ExitCode.

        Raises:
            RuntimeError: This is not the main thread, or not the first run.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("Master.run() handles signals: call it in the main thread")
        if self._was_run:
            raise RuntimeError("a Master runs once; make another one")
        self._was_run = True
        try:
            set_up_logs(self._config, owner_uid=self._config.start_plan.uid)
            with contextlib.ExitStack() as opened:
                self._open(opened)
                self._start_generation()
                while self._crew.pids or not self._is_ending:
                    self._turn()
        except StartError as error:
            self._fail(error)
        if self._exit_code == ExitCode.OK:
            log.info("ended")
        return self._exit_code

    def _open(self, opened: contextlib.ExitStack) -> None:
        """Take over the signals, bind, make what the workers share; to be closed by the stack."""
        config = self._config
        check_descriptors(config.binds)
        self._signals.open()
        opened.callback(self._signals.close)
        opened.callback(raise_descriptor_limit())
        self._poller = Poller()
        opened.callback(self._poller.close)
        self._poller.add(self._signals.fileno(), self._handle_signals)
        backlog = queue_limit(config.backlog)
        self._listeners = open_listeners(config.binds, backlog, config.socket_mode, self._pause)
        opened.callback(self._listeners.close)
        for address in self._listeners.describe():
            log.info("listening on %s, backlog %d", address, backlog)
        if self._count_reason:
            log.info("workers auto: %d (%s)", self._count, self._count_reason)
        slot_count = _SLOTS_PER_WORKER * self._count
        try:
            self._crew = Crew(self, config, self._poller, self._listeners, slot_count)
        except OSError as error:
            raise StartError(
                ExitCode.START_FAILED,
                f"cannot prepare {self._count} workers: {error.strerror}; "
                f"raise the open file limit (ulimit -n), or lower --workers",
            ) from error
        opened.callback(self._crew.close)

    def _pause(self, seconds: float) -> bool:
        """Wait between two attempts to bind; True if we are told to end."""
        self._signals.wait(seconds)
        return bool(_ENDING & set(self._signals.read()))

    def _turn(self) -> None:
        self._poller.wait(self._next_timeout())
        now = time.monotonic()
        for place in self._places():
            if place.deadline is not None and place.deadline <= now:
                place.deadline = None
                self._DEADLINE_ACTIONS[place.state](self, place)

    def _next_timeout(self) -> float | None:
        deadlines = [place.deadline for place in self._places() if place.deadline is not None]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _places(self) -> list[Place]:
        generations = (self._coming, self._serving)
        places = [place for generation in generations if generation for place in generation.places]
        return places + self._leaving

    def _announce(self, interface: str) -> None:
        """Say that we serve, and where: what to open in a browser, if a browser can open it."""
        is_http = interface in HTTP_INTERFACES
        where = [
            address if address.startswith("unix:") or not is_http else f"http://{address}"
            for address in self._listeners.describe() + self._crew.shared.describe()
        ]
        app, workers = (
            self._config.app,
            "1 worker" if self._count == 1 else f"{self._count} workers",
        )
        log.info("serving %s (%s) with %s: %s", app, interface, workers, " ".join(where))

    # Signals -----------------------------------------------------------------------------------

    def _handle_signals(self) -> None:
        arrived = self._signals.read()
        if signal.SIGCHLD in arrived:
            self._crew.reap()
        for number in arrived:
            if number == signal.SIGHUP:
                self._reload()
            elif number in _ENDING:
                self._end()

    def _end(self) -> None:
        """Drain everything and end; at once if that was asked for before."""
        if self._is_ending:
            log.warning("told again to end: stopping at once")
            for place in self._places():
                self._crew.stop(place)
            return
        self._is_ending = True
        self._listeners.close()
        seconds = self._config.graceful_timeout
        log.info("ending: workers drain for at most %g s; signal again to stop at once", seconds)
        for place in self._places():
            self._crew.retire(place)

    # Generations -------------------------------------------------------------------------------

    def _start_generation(self) -> None:
        self._generation_count += 1
        self._coming = coming = Generation(self._generation_count, self._count)
        for place in coming.places:
            if self._coming is coming:  # not rejected for one that could not be forked
                self._spawn(place)

    def _reload(self) -> None:
        """Start a new generation; when it is ready, the serving one is drained."""
        self._is_reload_wanted = True
        self._start_wanted_reload()

    def _start_wanted_reload(self) -> None:
        """Begin the reload that was asked for, if the last one is over and there is room."""
        if not self._is_reload_wanted or self._coming is not None or self._is_ending:
            return
        if self._crew.free_slot_count < _SLOTS_FOR_A_RELOAD * self._count:
            log.info("the reload waits: %d old workers still drain", len(self._leaving))
            return
        self._is_reload_wanted = False
        log.info("reloading: generation %d starts", self._generation_count + 1)
        self._start_generation()

    def _accept_generation(self, coming: Generation) -> None:
        """All of the new generation is ready: it serves, the one before leaves."""
        old, self._serving, self._coming = self._serving, coming, None
        if old is None:
            self._announce(coming.places[0].interface)
        else:
            log.info("reloaded: generation %d serves, %d drains", coming.number, old.number)
            self._dismiss(old)
        self._start_wanted_reload()

    def _reject_generation(self, coming: Generation, error: StartError) -> None:
        """The new generation cannot serve: take it back; without one before it, end."""
        self._coming = None
        self._dismiss(coming)
        if self._serving is None:
            self._is_ending = True
            self._listeners.close()
            self._fail(error)
        else:
            _report(error)
            log.error("reload failed: generation %d goes on serving", self._serving.number)
            self._start_wanted_reload()

    def _dismiss(self, generation: Generation) -> None:
        for place in generation.places:
            self._crew.retire(place)
            if place.is_live:
                self._leaving.append(place)

    def _is_coming(self, place: Place) -> bool:
        return self._coming is not None and place in self._coming.places

    def _fail(self, error: StartError) -> None:
        self._exit_code = error.code
        if error.code is not ExitCode.OK:
            complain(error.line, error.traceback)

    # Workers: what the crew tells -----------------------------------------------------------------

    def worker_ready(self, place: Place) -> None:
        """Count it; see crew.Owner."""
        log.info("%s ready (process %d)", place, place.pid)
        if self._coming is not None and self._coming.is_ready:
            self._accept_generation(self._coming)

    def worker_leaves(self, place: Place) -> None:
        """Replace it at once; see crew.Owner."""
        log.info("%s (process %d) drains by itself and is replaced", place, place.pid)
        for generation in (self._serving, self._coming):
            if generation is not None and place in generation.places:
                self._leaving.append(place)
                self._spawn(generation.replace(place))

    def worker_gone(self, place: Place, reason: str) -> None:
        """Decide what its death means; see crew.Owner."""
        advice = "start the application by itself to see why"
        line = f"{place} {reason} while starting; {advice}"
        self._lose(place, place.failure or StartError(ExitCode.START_TIMEOUT, line))

    def forget_in_worker(self) -> None:
        """Close the master's descriptors in a worker; see crew.Owner."""
        self._poller.close()
        self._signals.close_fds()

    # Workers: lost and replaced ------------------------------------------------------------------

    def _lose(self, place: Place, error: StartError) -> None:
        """A place has no process any more, or did not get one."""
        if place in self._leaving:
            self._leaving.remove(place)
            self._fill_waiting_place()
            self._start_wanted_reload()
        elif self._is_ending:
            return
        elif self._is_coming(place) and self._coming is not None:
            self._reject_generation(self._coming, error)
        else:
            if place.failure is not None:
                _report(place.failure)
            self._refill(place)

    def _refill(self, place: Place) -> None:
        """Give a serving place another process, now or later."""
        delay = respawn_delay(place.young_deaths)
        if delay == 0:
            self._spawn(place)
            return
        log.warning("%s died young %d times, next in %g s", place, place.young_deaths, delay)
        place.advance(Event.WAIT)
        place.deadline = time.monotonic() + delay

    def _spawn(self, place: Place) -> None:
        """Fork a process for the place; a fork that fails counts as a death at birth."""
        if not self._crew.free_slot_count:
            self._make_room(place)
            return
        try:
            self._crew.spawn(place)
        except OSError as error:
            log.error("cannot fork %s: %s", place, error)
            place.young_deaths += 1
            self._lose(place, StartError(ExitCode.START_FAILED, f"cannot fork {place}: {error}"))

    def _make_room(self, place: Place) -> None:
        """Stop the worker that has been leaving for the longest; serving goes before draining."""
        place.advance(Event.WAIT)  # without a deadline: until one that leaves is gone
        oldest = next((old for old in self._leaving if old.state is State.DRAINING), None)
        if oldest is not None:
            log.warning("%s still drains and is stopped: %s needs its slot", oldest, place)
            self._crew.stop(oldest)

    def _fill_waiting_place(self) -> None:
        """Give a slot that became free to a place that waits for one."""
        for place in self._places():
            if place.state is State.BACKOFF and place.deadline is None:
                self._spawn(place)
                return

    def _give_up_start(self, place: Place) -> None:
        seconds = self._config.start_timeout
        advice = "see where it waits, or raise --start-timeout"
        error = StartError(
            ExitCode.START_TIMEOUT, f"{place} was not ready after {seconds:g} s; {advice}"
        )
        place.failure = error
        self._crew.stop(place)
        if self._is_coming(place) and self._coming is not None:
            self._reject_generation(self._coming, error)

    def _kill(self, place: Place) -> None:
        self._crew.kill(place)

    _DEADLINE_ACTIONS: ClassVar[dict[State, Callable[["Master", Place], None]]] = {
        State.STARTING: _give_up_start,
        State.BACKOFF: _spawn,
        State.DRAINING: _kill,
        State.STOPPING: _kill,
    }


def _report(error: StartError) -> None:
    report(error.line, error.traceback)
