"""All that speaks with the outside: control socket, status page, service manager, title."""

import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from ngxloop.serving.config import Config
from ngxloop.serving.control import CommandError, Control
from ngxloop.serving.crew import Crew
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.inheritance import STATUS, Heirloom, Predecessor
from ngxloop.serving.listeners import Listeners
from ngxloop.serving.logs import log
from ngxloop.serving.notify import Notifier
from ngxloop.serving.orders import Order
from ngxloop.serving.plaintext import one_line
from ngxloop.serving.poller import Handler, Poller
from ngxloop.serving.status import Status
from ngxloop.serving.statusservice import StatusService
from ngxloop.serving.succession import Succession
from ngxloop.serving.titles import set_title

_PREDECESSOR_SECONDS = 0.5  # how often a new master looks whether the one before it is there


class Orderly(Protocol):
    """Who does what the control socket is told."""

    def obey(self, order: Order) -> object:
        """Do it, or return why that is impossible."""

    def scale(self, count: int) -> str:
        """Have so many workers, or return why that is impossible."""


class Reception:
    """The master's side of every conversation but those with its workers."""

    def __init__(
        self,
        config: Config,
        poller: Poller,
        crew: Crew,
        status: Status,
        succession: Succession,
        predecessor: Predecessor | None,
    ) -> None:
        self._status = status
        self._succession = succession
        self._poller = poller
        self._opened = contextlib.ExitStack()  # one that cannot be closed keeps no other open
        self._worker_closers: list[Callable[[], None]] = []
        self._page: StatusService | None = None
        self._is_answering = False  # the page is ours, not that of the master before us
        self._crew = crew
        self._config = config
        self._notifier = Notifier(os.environ, is_heir=predecessor is not None)
        self._opened.callback(set_title(f"master [{config.app}]"))
        try:
            if config.status_bind is not None:
                self._open_page(predecessor)
        except BaseException:
            self.close()
            raise

    def listen(self, path: str, orderly: Orderly) -> None:
        """Open the control socket.

        Raises:
            StartError: It cannot be opened.
        """
        control = Control(path, self._poller, _commands(orderly, self._status))
        self._opened.callback(control.close)
        self._worker_closers.append(control.close_in_worker)
        self._succession.add(control)

    def leave(self) -> list[Heirloom]:
        """Return the sockets that a successor needs."""
        return self._page.leave() if self._page else []

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

    def tell_serving(self) -> None:
        """We serve, for the first time or after a reload."""
        self._report()
        self._notifier.ready(self._summary())

    def tell_first_serving(self) -> None:
        """We serve, and show from now on that we are alive."""
        self.tell_serving()
        self._answer()
        self._notifier.start_watchdog(self._poller)

    def tell_reloading(self) -> None:
        """A reload has begun."""
        self._notifier.reloading()

    def tell_ending(self) -> None:
        """We end; if another master serves, the service does not."""
        if self._succession.predecessor_pid and self._page is not None:
            self._page.give_way()
        self._report()
        self._succession.tell_ending()
        if not self._succession.successor_pid:
            self._notifier.stopping()

    def tell_alone(self) -> None:
        """Our successor is gone: we are the service again."""
        self._notifier.status(self._summary())

    def _report(self) -> None:
        """Let the status process know at once: a master that is slow next does not hide it."""
        if self._page is not None:
            self._page.report()

    def _summary(self) -> str:
        snapshot = self._status.snapshot()
        workers, generation = snapshot["workers_wanted"], snapshot["generation"]
        return f"{workers} workers serve, generation {generation}"

    def _answer(self) -> None:
        """Answer the status page."""
        self._is_answering = True
        if self._page is not None and not self._status.is_ending:
            self._page.take_back()

    def _wait_for_predecessor(self) -> None:
        """Answer if the master before us ends before we serve."""
        if self._is_answering:
            return
        if self._succession.predecessor_pid:
            again = Handler(HandlerName.SERVING_STEP, self._wait_for_predecessor)
            self._poller.call_later(_PREDECESSOR_SECONDS, again)
        else:
            self._answer()

    def _open_page(self, predecessor: Predecessor | None) -> None:
        known = predecessor.listeners(STATUS) if predecessor else Listeners()
        crew = self._crew
        self._page = page = StatusService(
            self._config, self._poller, self._status, crew.board, crew.adopt, known
        )
        known.close(keep=page.listeners, leave_files=True)
        self._opened.callback(lambda: page.close(leave_files=self._succession.is_shared))
        self._worker_closers.append(page.close_in_worker)
        self._succession.add(page, is_late=True)
        if self._succession.predecessor_pid:  # it answers until we serve
            page.give_way()
            self._wait_for_predecessor()
        for found in page.describe():
            log.info("status on %s", found)
        page.start()


def _commands(orderly: Orderly, status: Status) -> dict[str, Callable[[Mapping[str, Any]], Any]]:
    """Return what the control socket understands."""

    def give(order: Order) -> Callable[[Mapping[str, Any]], Any]:
        return lambda asked: _check(orderly.obey(order))

    def scale(asked: Mapping[str, Any]) -> None:
        count = asked.get("count")
        if type(count) is not int:
            raise CommandError(
                f"scale to how many workers? {one_line(repr(count), 60)} is not a number"
            )
        _check(orderly.scale(count))

    orders = (Order.STOP, Order.QUIT, Order.RELOAD, Order.REOPEN, Order.UPGRADE)
    return {
        **{order.value: give(order) for order in orders},
        "scale": scale,
        "status": lambda asked: status.snapshot(),
    }


def _check(problem: object) -> None:
    if problem:
        raise CommandError(str(problem))
