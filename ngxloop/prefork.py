"""The prefork master: binds, starts workers, and does what signals tell it.

One thread, no event loop. Everything happens in one turn: wait for signals, worker channels and
alarms, act on them, act on the deadlines that have passed. Which workers there are is the business
of serving/generations.py, their processes that of serving/crew.py; this module opens what they
share and turns orders into actions.

nginx: ngx_master_process_cycle. Different on purpose: readiness is waited for, not 100 ms; TERM is
graceful; a respawn backs off.
"""

import contextlib
import functools
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import ClassVar

from ngxloop import leader
from ngxloop.serving.announcement import announce, warn_of_unserved
from ngxloop.serving.capacity import open_generations
from ngxloop.serving.config import UNSERVED_SECONDS, Config
from ngxloop.serving.errors import ExitCode, StartError, shortages_explained
from ngxloop.serving.guard import remove_guard
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.health import Health
from ngxloop.serving.inheritance import LEADER, Predecessor, take_inheritance
from ngxloop.serving.libraries import share_libraries
from ngxloop.serving.listeners import Listeners
from ngxloop.serving.logs import complain, log, reopen, set_up_logs
from ngxloop.serving.nesting import refuse_nesting
from ngxloop.serving.opening import check_descriptors, open_listeners, queue_limit
from ngxloop.serving.orders import ENDING_ORDERS, SIGNAL_ORDERS, Order
from ngxloop.serving.pidfile import Pidfile
from ngxloop.serving.places import Generation
from ngxloop.serving.poller import Handler, Poller, ignore
from ngxloop.serving.reception import Reception
from ngxloop.serving.reconfiguration import Reconfiguration, count_workers
from ngxloop.serving.reuseport import spread_listeners
from ngxloop.serving.rlimits import raise_descriptor_limit
from ngxloop.serving.shutdown import Shutdown
from ngxloop.serving.signals import SignalPipe
from ngxloop.serving.status import Status
from ngxloop.serving.succession import Succession
from ngxloop.serving.turn import Turn
from ngxloop.serving.watching import Watcher

__all__ = ["Config", "Master"]


class Master:
    """Run one application in N workers until a signal ends it; for the main thread.

    Args:
        config: What to serve, and how.
        read_again: Returns the configuration for a reload, or raises ConfigError; without it a
            reload takes new code only.
        on_serving: Called once, when the first workers serve.

    Notes:
        TERM, INT and QUIT drain the workers and end; a second one ends at once. HUP reloads.
        The methods are for the log handlers, hooks and alarms of the same thread.
    """

    def __init__(
        self,
        config: Config,
        read_again: Callable[[], Config] | None = None,
        on_serving: Callable[[], object] | None = None,
    ) -> None:
        self._config = config
        self._read_again = read_again
        self._on_serving = on_serving
        config.prepare()
        self._signals = SignalPipe()
        self._orders = SIGNAL_ORDERS[config.signals]
        self._was_run = False
        self._exit_code: int = ExitCode.OK
        self._start_error: StartError | None = None  # why the first workers could not be started

    def run(self, is_process_ending: bool = False) -> int:
        """Serve until told to end; return the exit code, see errors.ExitCode.

        Args:
            is_process_ending: The caller exits with the code at once: a signal that comes late is
                ignored then, instead of replacing the code.

        Raises:
            RuntimeError: This is not the main thread, or not the first run.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("Master.run() handles signals: call it in the main thread")
        if self._was_run:
            raise RuntimeError("a Master runs once; make another one")
        self._was_run = True
        self._signals.is_process_ending = is_process_ending
        try:
            set_up_logs(self._config, owner_uid=self._config.start_plan.uid)
            with contextlib.ExitStack() as opened:
                with shortages_explained():
                    self._open(opened)
                while self._is_serving or self._generations.crew.places:
                    self._turn.run()
            if self._start_error is not None:
                self._fail(self._start_error)
        except StartError as error:
            self._fail(error)
        self._config.hook_functions.call("on_exit", self._exit_code)
        remove_guard()  # the program that runs a Master may import what it likes
        if self._exit_code == ExitCode.OK:
            log.info("ended")
        return self._exit_code

    # Opening -----------------------------------------------------------------------------------

    def _open(self, opened: contextlib.ExitStack) -> None:
        """Take over the signals, bind, start the first workers; to be closed by the stack."""
        config = self._config
        refuse_nesting(config)
        predecessor = take_inheritance(os.environ)
        known = predecessor.listeners() if predecessor else Listeners()
        check_descriptors(config.binds, known)
        leader.open_seat(predecessor.descriptor(LEADER) if predecessor else None)
        opened.callback(leader.close_seat)
        self._signals.open()
        opened.callback(self._signals.close)
        opened.callback(raise_descriptor_limit())
        self._poller = Poller()
        opened.callback(self._poller.close)
        count = count_workers(config)
        backlog = queue_limit(config.backlog)
        listeners = open_listeners(config.binds, backlog, config.socket_mode, self._pause, known)
        opened.callback(listeners.close, leave_files=predecessor is not None)  # if nothing serves
        spread_listeners(listeners, config.count_copies(count), backlog)
        known.close(keep=listeners, leave_files=True)  # what our configuration does not name
        config.hook_functions.require("on_bind", listeners.describe())
        self._generations, self._most_workers = open_generations(self, self._poller, count)
        opened.callback(self._generations.close)
        self._open_relations(opened, predecessor)
        for address in listeners.describe():
            log.info("listening on %s, backlog %d", address, backlog)
        self._shutdown = Shutdown(self._generations, self._poller, self._status, self._reception)
        self._health = Health(self._generations, self._poller)
        opened.callback(self._health.close)
        self._status.set_answering(self._health.is_answering)
        self._turn = Turn(
            self._poller, self._signals, self._generations, self._find_order, self.obey
        )
        self._reconfiguration = Reconfiguration(self._read_again, self._most_workers)
        if config.reload:
            self._start_watcher(opened, listeners)
        share_libraries(config.interface)
        self._generations.start(config, count, listeners)

    def _open_relations(
        self, opened: contextlib.ExitStack, predecessor: Predecessor | None
    ) -> None:
        """Open what other processes know us by, and take over what a master before us has left."""
        config, crew, poller = self._config, self._generations.crew, self._poller
        self._succession = Succession(self, crew, poller, predecessor)
        opened.callback(self._succession.close)
        if predecessor is not None:
            crew.keepers.inherit(predecessor)
        if config.pidfile is not None:
            pidfile = Pidfile(config.pidfile)
            opened.callback(pidfile.close)
            self._succession.add(pidfile)
        self._status = Status(self._generations, self._succession, poller.failures)
        self._reception = Reception(
            config, poller, crew, self._status, self._succession, predecessor
        )
        opened.callback(self._reception.close)
        if config.control_socket is not None:
            self._reception.listen(config.control_socket, self)

    def _start_watcher(self, opened: contextlib.ExitStack, listeners: Listeners) -> None:
        crew = self._generations.crew

        def forget() -> None:
            listeners.close(leave_files=True)
            crew.keepers.forget_in_child()
            leader.close_seat()
            self.forget_in_worker()

        watcher = Watcher(self._config.watched, self._config, forget, self._watcher_gone)
        opened.callback(watcher.close)
        crew.adopt(watcher.pid, watcher.ended)

    def _watcher_gone(self, error: StartError) -> None:
        if not self._shutdown.is_begun:
            self._fail(error)
            self.end()

    def _pause(self, seconds: float) -> bool:
        """Wait between two attempts to bind; True if we are told to end."""
        self._signals.wait(seconds)
        orders = {self._orders.get(number) for number in self._signals.read()}
        return bool(orders & ENDING_ORDERS)

    # The turn ----------------------------------------------------------------------------------

    @property
    def _is_serving(self) -> bool:
        return not self._shutdown.is_begun or self._shutdown.is_delayed

    def _find_order(self, number: signal.Signals) -> Order | None:
        return self._orders.get(number)

    def obey(self, order: Order) -> object:
        """Do what a signal means; return why that is impossible, if it says so."""
        problem: object = "it failed; see the log of the master"

        def act() -> None:
            nonlocal problem
            problem = self._ACTIONS[order](self)

        undo = functools.partial(self._undo, order)
        self._poller.call(Handler(HandlerName.ORDER, act, undo, order.value))
        return problem

    def _undo(self, order: Order) -> None:
        """Leave nothing half done of an order that failed; one to end ends us all the same."""
        if order in ENDING_ORDERS:
            self._shutdown.stop()
        elif order is Order.UPGRADE:
            self._succession.give_up()

    # Orders ------------------------------------------------------------------------------------

    def end(self) -> None:
        """Drain everything and end; at once if that was asked for before."""
        self._shutdown.ask(self._config)

    def stop(self) -> None:
        """End at once."""
        self._shutdown.stop()

    def reload(self) -> None:
        """Start new workers with the configuration of now; the old ones drain when all serve."""
        if not self._shutdown.is_begun:
            self._generations.reload()

    def reopen(self) -> None:
        """Open the log files again, here and in all workers."""
        log.info("reopening the log files")
        reopen()
        self._reception.reopen_logs()
        self._generations.reopen_logs()

    def upgrade(self) -> str:
        """Start a new master on our sockets; return why that is impossible, if it is."""
        problem = self._succession.problem(is_strict=self._config.drops_rights)
        if not problem and not self._shutdown.is_begun:
            problem = self._succession.start(self._generations.listeners, self._reception.leave())
        if problem:
            log.warning("no upgrade: %s", problem)
        return problem

    def rest(self) -> None:
        """Drain the workers but keep the sockets, as nginx does for an upgrade; for a daemon.

        A terminal sends the signal whenever its size changes, so it means nothing on one.
        """
        if not self._shutdown.is_begun and not _is_on_terminal():
            log.info("resting: workers drain, the sockets stay open; HUP starts workers again")
            self._generations.rest()

    def grow(self) -> None:
        """Have one more worker."""
        self.scale(self._generations.count + 1)

    def shrink(self) -> None:
        """Have one less."""
        self.scale(self._generations.count - 1)

    def scale(self, count: int) -> str:
        """Have so many workers; return why that is impossible, if it is."""
        most = self._most_workers
        if not 1 <= count <= most:
            problem = f"cannot have {count} workers; give 1 to {most}, or restart for more"
            log.warning("%s", problem)
            return problem
        if not self._shutdown.is_begun:
            log.info("scaling from %d to %d workers", self._generations.count, count)
            self._generations.scale(count)
        return ""

    _ACTIONS: ClassVar[dict[Order, Callable[["Master"], object]]] = {
        Order.QUIT: end,
        Order.STOP: stop,
        Order.RELOAD: reload,
        Order.REOPEN: reopen,
        Order.UPGRADE: upgrade,
        Order.REST: rest,
        Order.GROW: grow,
        Order.SHRINK: shrink,
    }

    def _fail(self, error: StartError) -> None:
        self._exit_code = error.code
        if error.code is not ExitCode.OK:
            complain(error.line, error.traceback)

    # What the generations tell, see generations.Owner ------------------------------------------

    def prepare_reload(self, current: Listeners) -> tuple[Config, int, Listeners]:
        """Read the configuration again and open the sockets that are new in it."""
        if self._succession.successor_pid:  # who goes back wants workers as they were
            return self._config, self._generations.count, Listeners(current.opened)
        count = self._generations.count
        return self._reconfiguration.prepare(self._config, count, current)

    def generation_serves(self, generation: Generation) -> None:
        """Take over its configuration; the first time, say that we serve."""
        is_first = generation.number == 1
        self._config = generation.config
        self._orders = SIGNAL_ORDERS[generation.config.signals]
        steps: list[Callable[[], object]] = [lambda: self._health.configure(generation.config)]
        if is_first:
            steps += [
                lambda: announce(generation, self._generations.crew.keepers),
                self._reception.tell_first_serving,
                self._succession.tell_ready,
                self._on_serving or ignore,
            ]
        else:
            steps.insert(0, lambda: self._set_up_logs_again(generation.config))
            steps.append(lambda: self._reception.configure(generation.config))
            steps.append(self._reception.tell_serving)
        steps.append(lambda: share_libraries(generation.interface))  # last: it takes a while
        for step in steps:
            self._poller.call(Handler(HandlerName.SERVING_STEP, step))
        look = functools.partial(self._look_for_unserved, generation)
        handler = Handler(HandlerName.UNSERVED_CHECK, look, ignore)
        self._poller.call_later(UNSERVED_SECONDS, handler)

    def reload_began(self) -> None:
        """Tell the service manager."""
        self._reception.tell_reloading()

    def reload_failed(self) -> None:
        """Nothing has changed."""
        self._reception.tell_serving()

    def start_failed(self, error: StartError) -> None:
        """End with what the workers said; that is the last line, after those of all workers."""
        self._shutdown.take_note()
        self._exit_code = error.code
        self._start_error = error

    def forget_in_worker(self) -> None:
        """Close the master's own descriptors in a worker."""
        self._poller.close()
        self._health.close_in_worker()
        self._signals.close_fds()
        self._succession.close_in_worker()
        self._reception.close_in_worker()

    @property
    def is_sharing(self) -> bool:
        """Another master uses our sockets too."""
        return self._succession.is_shared

    # What the succession tells, see succession.Owner -------------------------------------------

    def successor_ready(self, pid: int) -> None:
        """Leave the field to it, if we may without being asked."""
        if self._config.auto_upgrade:
            self.end()

    def successor_gone(self, pid: int) -> None:
        """Serve again, if we had stopped for it."""
        self._reception.tell_alone()
        if self._generations.is_resting:
            self.reload()

    def _look_for_unserved(self, generation: Generation) -> None:
        if generation is self._generations.serving and not self._shutdown.is_begun:
            warn_of_unserved(generation)

    def _set_up_logs_again(self, config: Config) -> None:
        try:
            set_up_logs(config, owner_uid=config.start_plan.uid)
        except StartError as error:  # the file that is open already goes on
            log.error("%s", error.line)
        self._reception.reopen_logs()


def _is_on_terminal() -> bool:
    """Say whether somebody's terminal is ours."""
    return any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))
