"""The parts of a running master, put together: machine, executor, processes, handlers, admin."""

import contextlib
import signal
from collections.abc import Callable

from ngxloop.serving.admin.admin import Admin
from ngxloop.serving.admin.orders import SIGNAL_ORDERS, Order
from ngxloop.serving.admin.status import Status
from ngxloop.serving.base.errors import StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.board import open_board
from ngxloop.serving.fleet.executor import Do, Executor
from ngxloop.serving.fleet.machine import Machine
from ngxloop.serving.fleet.observer import Observer
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.fleet.service import GenerationServices
from ngxloop.serving.handover.handover import Handover
from ngxloop.serving.handover.pidfile import Pidfile
from ngxloop.serving.master.actionhandlers import ActionHandlers
from ngxloop.serving.master.audit import Audit
from ngxloop.serving.master.dispatcher import CommandDispatcher
from ngxloop.serving.master.reconfiguration import Reconfiguration
from ngxloop.serving.master.turn import Turn
from ngxloop.serving.options.master import NO_SOCKET
from ngxloop.serving.process.filewatch import FileWatcher
from ngxloop.serving.process.poller import Poller
from ngxloop.serving.process.signals import SignalPipe
from ngxloop.serving.sockets.inherited import OldMaster


class Components:
    """Knows them all; none of them knows it.

    Args:
        config: What to serve at first.
        poller: Waits.
        signals: The pipe of the signals.
        count: How many workers are wanted.
        old_master: The master that has started this one.
        failed: Takes the error with which the master ends, and whether it is logged last.

    Raises:
        StartError: There are too few descriptors.
    """

    def __init__(
        self,
        config: Config,
        poller: Poller,
        signals: SignalPipe,
        count: int,
        old_master: OldMaster | None,
        failed: Callable[[StartError, bool], None],
    ) -> None:
        self.config = config  # the one that is in force
        self._poller = poller
        self._signals = signals
        self._failed = failed
        board, self._most_workers = open_board(count)
        self.machine: Machine = Machine(self._most_workers, has_old_master=old_master is not None)
        self.executor: Executor = Executor(self.machine, poller)
        executor = self.executor
        self.services: GenerationServices = GenerationServices()
        self.processes: Processes = Processes(
            executor.tell, poller, board, self.services, self.forget
        )
        self.handover: Handover = Handover(executor.tell, self.processes, poller, old_master)
        self.dispatcher: CommandDispatcher = CommandDispatcher(
            executor, self.handover, poller, lambda: self.config
        )
        self.status: Status = Status(
            self.machine, self.processes, self.services, self.handover, poller.failures
        )
        self.admin: Admin | None = None
        self.observer: Observer | None = None

    def open(
        self,
        opened: contextlib.ExitStack,
        old_master: OldMaster | None,
        read_again: Callable[[], Config] | None,
        on_serving: Callable[[], object],
    ) -> Turn:
        """Open what other processes know us by, and return the turn; register cleanup on the stack.

        Args:
            opened: The stack.
            old_master: Has left something.
            read_again: Returns the configuration of now.
            on_serving: Called when the first workers serve.

        Raises:
            StartError: Something cannot be opened.
        """
        opened.callback(self._close)
        opened.callback(self.handover.close)
        admin = self._open_admin(opened, old_master)
        handlers = ActionHandlers(
            lambda: self.config,
            self.executor,
            self._poller,
            self.processes,
            self.services,
            self.handover,
            admin,
            Reconfiguration(read_again, self._most_workers),
            on_serving,
        )
        self.observer = handlers.observer
        opened.callback(self.observer.close)
        self.status.set_answering(self.observer.is_answering)
        serve = handlers.table[actions.Serve]

        def adopt_and_serve(action: actions.Serve) -> None:
            self.config = self.services[action.generation].config
            serve(action)

        own: dict[type[actions.Action], Do] = {
            actions.Serve: adopt_and_serve,
            actions.Fail: self._fail,
        }
        self.executor.connect(self.processes, {**handlers.table, **own})
        self.handover.watch_old_master()
        audit = Audit(self.executor, self.processes, self._poller)
        reap, dispatch = self.processes.reaper.reap, self.dispatcher.dispatch
        return Turn(
            self._poller, self._signals, self.executor, audit, self.find_order, dispatch, reap
        )

    def start_watcher(self, opened: contextlib.ExitStack) -> None:
        """Have a HUP for each file that changes.

        Raises:
            StartError: The process that looks for them cannot be forked.
        """

        def gone(error: StartError) -> None:
            self.executor.tell(events.FileWatcherGone(error))

        watcher = FileWatcher(
            self.config.watched, self.config, self.processes.forget_in_child, gone
        )
        opened.callback(watcher.close)
        self.processes.reaper.adopt(watcher.pid, watcher.ended)

    def find_order(self, number: signal.Signals) -> Order | None:
        """Return what a signal orders."""
        return SIGNAL_ORDERS[self.config.signals].get(number)

    def forget(self) -> None:
        """Close the master's own descriptors in a child."""
        self._poller.close()
        if self.observer is not None:
            self.observer.close_in_worker()
        self._signals.close_fds()
        self.handover.close_in_worker()
        if self.admin is not None:
            self.admin.close_in_worker()

    def _open_admin(self, opened: contextlib.ExitStack, old_master: OldMaster | None) -> Admin:
        """Take over what a master before us has left, and open our own names."""
        config, processes = self.config, self.processes
        if old_master is not None:
            processes.keepers.inherit(old_master)
        if config.pidfile is not None:
            pidfile = Pidfile(config.pidfile)
            opened.callback(pidfile.close)
            self.handover.add_file(pidfile)
        admin = Admin(config, self._poller, processes, self.status, self.handover, old_master)
        self.admin = admin
        opened.callback(admin.close)
        if config.control_socket is None:
            admin.listen_by_name(self.dispatcher.dispatch)
        elif config.control_socket != NO_SOCKET:
            admin.listen(config.control_socket, self.dispatcher.dispatch)
        return admin

    def _close(self) -> None:
        """Give back what the workers shared."""
        is_shared = self.handover.is_shared
        self.services.close_all(leave_files=is_shared)
        self.processes.close(leave_files=is_shared)

    def _fail(self, action: actions.Fail) -> None:
        self._failed(action.error, action.is_last)
