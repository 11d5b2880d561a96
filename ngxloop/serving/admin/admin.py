"""All that speaks with the outside: control socket, status page, service manager, title."""

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any

from ngxloop.serving.admin.control import Command, CommandError, Control
from ngxloop.serving.admin.defaultsocket import default_name, make_path
from ngxloop.serving.admin.notify import Notifier
from ngxloop.serving.admin.orders import Order
from ngxloop.serving.admin.status import Status
from ngxloop.serving.admin.statussupervisor import StatusSupervisor
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.plaintext import one_line
from ngxloop.serving.base.trust import find_fault
from ngxloop.serving.config.config import Config
from ngxloop.serving.config.environment import RUNTIME_VARIABLE
from ngxloop.serving.fleet.actions import Notice
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.handover.handover import Handover
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.poller import Poller
from ngxloop.serving.process.titles import set_title
from ngxloop.serving.sockets.inherited import STATUS, InheritedFd, OldMaster
from ngxloop.serving.sockets.listeners import Listeners
from ngxloop.serving.sockets.socketfiles import is_socket_file

Dispatch = Callable[[Order | int, Callable[[str], object]], None]


class Admin:
    """The master's side of every conversation but those with its workers."""

    def __init__(
        self,
        config: Config,
        poller: Poller,
        processes: Processes,
        status: Status,
        handover: Handover,
        old_master: OldMaster | None,
    ) -> None:
        self._status = status
        self._handover = handover
        self._poller = poller
        self._opened = contextlib.ExitStack()  # one that cannot be closed keeps no other open
        self._worker_closers: list[Callable[[], None]] = []
        self._page: StatusSupervisor | None = None
        self._processes = processes
        self._config = config
        self._notifier = Notifier(os.environ, has_old_master=old_master is not None)
        self._opened.callback(set_title(f"master [{config.name or config.app}]"))
        try:
            if config.status_bind is not None:
                self._open_page(old_master)
        except BaseException:
            self.close()
            raise

    def listen(self, path: str, dispatch: Dispatch) -> None:
        """Open the control socket.

        Args:
            path: Of its file.
            dispatch: Carries out an order, or has as many workers as a number says; calls its
                second argument with why that was impossible, empty if it was done.

        Raises:
            StartError: It cannot be opened.
        """
        control = Control(path, self._poller, _commands(dispatch, self._status))
        self._opened.callback(control.close)
        self._worker_closers.append(control.close_in_worker)
        self._handover.add_file(control)

    def listen_by_name(self, dispatch: Dispatch) -> None:
        """Open the control socket at its default path; without one, the master goes on.

        Raises:
            StartError: A name was given, and another master has it.
        """
        name = self._config.name or default_name(self._config.app)
        path = make_path(name, os.environ)
        if path is None or self._is_movable(path):
            self._miss_folder()
            return
        try:
            self.listen(path, dispatch)
        except StartError as error:
            is_taken = is_socket_file(path)
            advice = "give it another --name" if is_taken else "give --control-socket"
            if self._config.name is not None and is_taken:
                line = f"another server of this user is named {name!r}; {advice}"
                raise StartError(ExitCode.ADDRESS_IN_USE, line) from error
            write = log.info if self._config.name is None else log.warning
            write("this server has no control socket (%s); %s", error.line, advice)

    def _is_movable(self, path: str) -> bool:
        """Say whether another user could put a folder of his in the place of a socket's."""
        is_named = bool(os.environ.get(RUNTIME_VARIABLE))
        return (
            is_named
            and self._config.has_less_privileged_workers
            and bool(find_fault(os.path.dirname(path)))
        )

    def _miss_folder(self) -> None:
        named = os.environ.get(RUNTIME_VARIABLE)
        if named:
            text = "no control socket: %s=%s is not a folder that only this user can write to"
            log.warning(text, RUNTIME_VARIABLE, named)
        else:
            log.debug("no control socket: no usable folder; give --control-socket")

    def hand_over(self) -> list[InheritedFd]:
        """Return the sockets that a new master needs."""
        return self._page.hand_over() if self._page else []

    def reopen_logs(self) -> None:
        """Let the status process write to the new error log."""
        if self._page is not None:
            self._page.reopen_log()

    def configure(self, config: Config) -> None:
        """Take over what a reload has changed."""
        if self._page is not None:
            self._page.configure(config)

    def close(self) -> None:
        """End all conversations."""
        self._opened.close()

    def close_in_worker(self) -> None:
        """Close a worker's copies; a worker is no service of its own."""
        for close in self._worker_closers:
            close()
        os.environ.pop("NOTIFY_SOCKET", None)

    # What is to be told ------------------------------------------------------------------------

    def tell_first_serving(self) -> None:
        """We serve, and show from now on that we are alive."""
        self.notify(Notice.SERVING)
        self._answer()
        self._notifier.start_watchdog(self._poller)

    def notify(self, notice: Notice) -> None:
        """Tell the service manager how things are."""
        match notice:
            case Notice.SERVING:
                self._report()
                self._notifier.ready(self._summary())
            case Notice.RELOADING:
                self._notifier.reloading()
            case Notice.ENDING:
                self._tell_ending()
            case Notice.ALONE:
                self._notifier.status(self._summary())

    def _tell_ending(self) -> None:
        """We end; if another master serves, the service does not."""
        if self._handover.old_master_pid and self._page is not None:
            self._page.pause()
        self._report()
        self._handover.tell_ending()
        if not self._handover.new_master_pid:
            self._notifier.stopping()

    def _report(self) -> None:
        """Let the status process know at once: a master that is slow next does not hide it."""
        if self._page is not None:
            self._page.report()

    def _answer(self) -> None:
        """Answer the status page."""
        if self._page is not None and not self._status.is_ending:
            self._page.resume()

    def _summary(self) -> str:
        snapshot = self._status.snapshot()
        workers, generation = snapshot["workers_wanted"], snapshot["generation"]
        return f"{workers} workers serve, generation {generation}"

    def _open_page(self, old_master: OldMaster | None) -> None:
        known = old_master.listeners(STATUS) if old_master else Listeners()
        board, adopt = self._processes.board, self._processes.reaper.adopt
        self._page = page = StatusSupervisor(
            self._config, self._poller, self._status, board, adopt, known
        )
        known.close(keep=page.listeners, leave_files=True)
        self._opened.callback(lambda: page.close(leave_files=self._handover.is_shared))
        self._worker_closers.append(page.close_in_worker)
        self._handover.add_service(page)
        if self._handover.old_master_pid:  # it answers until we serve
            page.pause()
        for found in page.describe():
            log.info("status on %s", found)
        page.start()


def _commands(dispatch: Dispatch, status: Status) -> dict[str, Command]:
    """Return what the control socket understands."""

    def give(order: Order) -> Command:
        return lambda asked, tell: dispatch(order, lambda problem: tell(problem, None))

    def scale(asked: Mapping[str, Any], tell: Callable[[str, Any], None]) -> None:
        count = asked.get("count")
        if type(count) is not int:
            raise CommandError(
                f"scale to how many workers? {one_line(repr(count), 60)} is not a number"
            )
        dispatch(count, lambda problem: tell(problem, None))

    orders = (Order.STOP, Order.QUIT, Order.RELOAD, Order.REOPEN, Order.UPGRADE)
    return {
        **{order.value: give(order) for order in orders},
        "scale": scale,
        "status": lambda asked, tell: tell("", status.snapshot()),
    }
