"""The prefork master: binds, starts workers, and does what signals tell it.

One thread, no event loop. Everything happens in one turn: wait for signals, worker channels and
alarms, tell the machine what they mean, do what it wants. Which workers there are is decided in
serving/fleet/machine.py; this module opens what they share and turns signals into orders.

nginx: ngx_master_process_cycle. Different on purpose: readiness is waited for, not 100 ms; TERM is
graceful; a respawn backs off.
"""

import contextlib
import os
import threading
from collections.abc import Callable

from ngxloop import leader
from ngxloop.serving.admin.orders import ENDING_ORDERS, SIGNAL_ORDERS, Order
from ngxloop.serving.base.errors import ExitCode, StartError, shortages_explained
from ngxloop.serving.base.guard import remove_guard
from ngxloop.serving.config.config import Config
from ngxloop.serving.fleet import events
from ngxloop.serving.fleet.service import GenerationService, settings_of
from ngxloop.serving.logs.logs import complain, log, set_up_logs
from ngxloop.serving.master.components import Components
from ngxloop.serving.master.reconfiguration import first_count
from ngxloop.serving.process.children import forget_starts, note_starts
from ngxloop.serving.process.poller import Poller, do_nothing
from ngxloop.serving.process.rlimits import raise_descriptor_limit
from ngxloop.serving.process.signals import SignalPipe
from ngxloop.serving.sockets.inherited import LEADER, take_inherited
from ngxloop.serving.sockets.listeners import Listeners
from ngxloop.serving.sockets.opening import check_descriptors, open_listeners
from ngxloop.serving.sockets.queues import queue_limit
from ngxloop.serving.sockets.reuseport import spread_listeners
from ngxloop.serving.worker.libraries import share_libraries
from ngxloop.serving.worker.nesting import refuse_nesting

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
        note_starts()
        try:
            set_up_logs(self._config, owner_uid=self._config.start_plan.uid)
            with contextlib.ExitStack() as opened:
                with shortages_explained():
                    self._open(opened)
                while not self._components.machine.is_over:
                    self._turn.run()
                self._config = self._components.config
            if self._start_error is not None:
                self._fail(self._start_error)
        except StartError as error:
            self._fail(error)
        self._config.hook_functions.call("on_exit", self._exit_code)
        forget_starts()
        remove_guard()  # the program that runs a Master may import what it likes
        if self._exit_code == ExitCode.OK:
            log.info("ended")
        return self._exit_code

    # Opening -----------------------------------------------------------------------------------

    def _open(self, opened: contextlib.ExitStack) -> None:
        """Take over the signals, bind, start the first workers; register cleanup on the stack."""
        config = self._config
        refuse_nesting(config)
        old_master = take_inherited(os.environ)
        known = old_master.listeners() if old_master else Listeners()
        check_descriptors(config.binds, known)
        leader.open_lock(old_master.descriptor(LEADER) if old_master else None)
        opened.callback(leader.close_lock)
        self._signals.open()
        opened.callback(self._signals.close)
        opened.callback(raise_descriptor_limit())
        self._poller = Poller()
        opened.callback(self._poller.close)
        count = first_count(config, old_master.workers if old_master else None)
        backlog = queue_limit(config.backlog)
        listeners = open_listeners(config.binds, backlog, config.socket_mode, self._pause, known)
        opened.callback(listeners.close, leave_files=old_master is not None)  # if nothing serves
        spread_listeners(listeners, config.count_copies(count), backlog)
        known.close(keep=listeners, leave_files=True)  # what our configuration does not name
        config.hook_functions.require("on_bind", listeners.describe())
        self._components = components = Components(
            config, self._poller, self._signals, count, old_master, self._end_with
        )
        self._turn = components.open(
            opened, old_master, self._read_again, self._on_serving or do_nothing
        )
        components.services.add(GenerationService(1, config, listeners))
        for address in listeners.describe():
            log.info("listening on %s, backlog %d", address, backlog)
        if config.reload:
            components.start_watcher(opened)
        share_libraries(config.interface)
        components.executor.tell(events.Start(settings_of(config), count))

    def _pause(self, seconds: float) -> bool:
        """Wait between two attempts to bind; True if we are told to end."""
        self._signals.wait(seconds)
        known = SIGNAL_ORDERS[self._config.signals]
        orders = {known.get(number) for number in self._signals.read()}
        return bool(orders & ENDING_ORDERS)

    # Orders ------------------------------------------------------------------------------------

    def quit(self) -> None:
        """Drain everything and end; at once if that was asked for before."""
        self._components.dispatcher.dispatch(Order.QUIT)

    def stop(self) -> None:
        """End at once."""
        self._components.dispatcher.dispatch(Order.STOP)

    def reload(self) -> None:
        """Start new workers with the configuration of now; the old ones drain when all serve."""
        self._components.dispatcher.dispatch(Order.RELOAD)

    def reopen(self) -> None:
        """Open the log files again, here and in all workers."""
        self._components.dispatcher.dispatch(Order.REOPEN)

    def upgrade(self) -> None:
        """Start a new master on our sockets."""
        self._components.dispatcher.dispatch(Order.UPGRADE)

    def stop_workers(self) -> None:
        """Drain the workers but keep the sockets, as nginx does for an upgrade; for a daemon."""
        self._components.dispatcher.dispatch(Order.STOP_WORKERS)

    def add_worker(self) -> None:
        """Have one more worker."""
        self._components.dispatcher.dispatch(Order.ADD_WORKER)

    def remove_worker(self) -> None:
        """Have one less."""
        self._components.dispatcher.dispatch(Order.REMOVE_WORKER)

    def scale(self, count: int) -> None:
        """Have so many workers."""
        self._components.dispatcher.dispatch(count)

    def _end_with(self, error: StartError, is_last: bool) -> None:
        """End with an error; what the workers said is the last line, after those of all of them."""
        if is_last:
            self._exit_code = error.code
            self._start_error = error
        else:
            self._fail(error)

    def _fail(self, error: StartError) -> None:
        self._exit_code = error.code
        if error.code is not ExitCode.OK:
            complain(error.line, error.traceback)
