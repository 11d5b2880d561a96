"""The parts of a running master, put together: machine, executor, processes, duties, reception."""

import contextlib
import signal
from collections.abc import Callable

from ngxloop.serving.admin.orders import SIGNAL_ORDERS, Order
from ngxloop.serving.admin.reception import Reception
from ngxloop.serving.admin.status import Status
from ngxloop.serving.base.errors import StartError
from ngxloop.serving.config.config import Config
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.board import open_board
from ngxloop.serving.fleet.executor import Do, Executor
from ngxloop.serving.fleet.machine import Machine
from ngxloop.serving.fleet.observer import Observer
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.fleet.service import Services
from ngxloop.serving.handover.handover import Handover
from ngxloop.serving.handover.pidfile import Pidfile
from ngxloop.serving.master.audit import Audit
from ngxloop.serving.master.desk import OrderDesk
from ngxloop.serving.master.duties import Duties
from ngxloop.serving.master.reconfiguration import Reconfiguration
from ngxloop.serving.master.turn import Turn
from ngxloop.serving.options.master import NO_SOCKET
from ngxloop.serving.process.poller import Poller
from ngxloop.serving.process.signals import SignalPipe
from ngxloop.serving.process.watching import Watcher
from ngxloop.serving.sockets.inheritance import Predecessor


class Parts:
    """Knows them all; none of them knows it.

    Args:
        config: What to serve at first.
        poller: Waits.
        signals: The pipe of the signals.
        count: How many workers are wanted.
        predecessor: The master that has started this one.
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
        predecessor: Predecessor | None,
        failed: Callable[[StartError, bool], None],
    ) -> None:
        self.config = config  # the one that is in force
        self._poller = poller
        self._signals = signals
        self._failed = failed
        board, self._most_workers = open_board(count)
        self.machine: Machine = Machine(self._most_workers, has_old_master=predecessor is not None)
        self.executor: Executor = Executor(self.machine, poller)
        executor = self.executor
        self.services: Services = Services()
        self.processes: Processes = Processes(
            executor.tell, poller, board, self.services, self.forget
        )
        self.handover: Handover = Handover(executor.tell, self.processes, poller, predecessor)
        self.desk: OrderDesk = OrderDesk(executor, self.handover, poller, lambda: self.config)
        self.status: Status = Status(
            self.machine, self.processes, self.services, self.handover, poller.failures
        )
        self.reception: Reception | None = None
        self.observer: Observer | None = None

    def open(
        self,
        opened: contextlib.ExitStack,
        predecessor: Predecessor | None,
        read_again: Callable[[], Config] | None,
        on_serving: Callable[[], object],
    ) -> Turn:
        """Open what other processes know us by, and return the turn; to be closed by the stack.

        Args:
            opened: The stack.
            predecessor: Has left something.
            read_again: Returns the configuration of now.
            on_serving: Called when the first workers serve.

        Raises:
            StartError: Something cannot be opened.
        """
        opened.callback(self._close)
        opened.callback(self.handover.close)
        reception = self._open_reception(opened, predecessor)
        duties = Duties(
            lambda: self.config,
            self.executor,
            self._poller,
            self.processes,
            self.services,
            self.handover,
            reception,
            Reconfiguration(read_again, self._most_workers),
            on_serving,
        )
        self.observer = duties.observer
        opened.callback(self.observer.close)
        self.status.set_answering(self.observer.is_answering)
        serve = duties.table[actions.Serve]

        def adopt_and_serve(action: actions.Serve) -> None:
            self.config = self.services[action.generation].config
            serve(action)

        own: dict[type[actions.Action], Do] = {
            actions.Serve: adopt_and_serve,
            actions.Fail: self._fail,
        }
        self.executor.connect(self.processes, {**duties.table, **own})
        self.handover.watch_predecessor()
        audit = Audit(self.executor, self.processes, self._poller)
        reap, obey = self.processes.reaper.reap, self.desk.obey
        return Turn(self._poller, self._signals, self.executor, audit, self.find_order, obey, reap)

    def start_watcher(self, opened: contextlib.ExitStack) -> None:
        """Have a HUP for each file that changes.

        Raises:
            StartError: The process that looks for them cannot be forked.
        """

        def gone(error: StartError) -> None:
            self.executor.tell(events.WatcherGone(error))

        watcher = Watcher(self.config.watched, self.config, self.processes.forget_in_child, gone)
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
        if self.reception is not None:
            self.reception.close_in_worker()

    def _open_reception(
        self, opened: contextlib.ExitStack, predecessor: Predecessor | None
    ) -> Reception:
        """Take over what a master before us has left, and open our own names."""
        config, processes = self.config, self.processes
        if predecessor is not None:
            processes.keepers.inherit(predecessor)
        if config.pidfile is not None:
            pidfile = Pidfile(config.pidfile)
            opened.callback(pidfile.close)
            self.handover.add(pidfile)
        reception = Reception(
            config, self._poller, processes, self.status, self.handover, predecessor
        )
        self.reception = reception
        opened.callback(reception.close)
        if config.control_socket is None:
            reception.listen_by_name(self.desk.obey)
        elif config.control_socket != NO_SOCKET:
            reception.listen(config.control_socket, self.desk.obey)
        return reception

    def _close(self) -> None:
        """Give back what the workers shared."""
        is_shared = self.handover.is_shared
        self.services.close_all(leave_files=is_shared)
        self.processes.close(leave_files=is_shared)

    def _fail(self, action: actions.Fail) -> None:
        self._failed(action.error, action.is_last)
