"""Orders from signals and from the control socket, as events for the machine."""

import functools
import sys
from collections.abc import Callable

from ngxloop.serving.admin.orders import ENDING_ORDERS, Order
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.config.config import Config
from ngxloop.serving.fleet import events
from ngxloop.serving.fleet.executor import Executor
from ngxloop.serving.handover.handover import Handover
from ngxloop.serving.process.poller import Handler, Poller

_EVENTS: dict[Order, type[events.OrderEvent]] = {
    Order.QUIT: events.Quit,
    Order.STOP: events.Stop,
    Order.RELOAD: events.Reload,
    Order.REOPEN: events.Reopen,
    Order.STOP_WORKERS: events.StopWorkers,
    Order.ADD_WORKER: events.AddWorker,
    Order.REMOVE_WORKER: events.RemoveWorker,
}
Answered = Callable[[str], object]


class CommandDispatcher:
    """Takes orders, and says what has become of them.

    Args:
        executor: Tells the machine.
        handover: Knows why a new master cannot be started.
        poller: Guards.
        config: Returns the one that is in force.
    """

    def __init__(
        self,
        executor: Executor,
        handover: Handover,
        poller: Poller,
        config: Callable[[], Config],
    ) -> None:
        self._executor = executor
        self._handover = handover
        self._poller = poller
        self._config = config

    def dispatch(self, order: Order | int, answered: Answered | None = None) -> None:
        """Carry out an order, or have a number of workers.

        Args:
            order: Which one, or how many.
            answered: Called once, with why it was impossible, empty if it was done; None if nobody
                waits for that.
        """
        give = functools.partial(self._give, order, answered)
        undo = functools.partial(self._undo, order, answered)
        self._poller.call(Handler(HandlerName.ORDER, give, undo, order))

    def _undo(self, order: Order | int, answered: Answered | None) -> None:
        """Answer an order that failed; one to end ends us all the same."""
        if answered is not None:
            answered("it failed; see the log of the master")
        if order in ENDING_ORDERS:
            self._executor.tell(events.Stop())

    def _give(self, order: Order | int, answered: Answered | None) -> None:
        if order is Order.STOP_WORKERS and _is_on_terminal():
            return  # it sends the signal whenever its size changes
        self._handover.look_for_old_master()  # its end may be in the same batch of the poller
        event = self._event(order) if isinstance(order, Order) else events.Scale(count=order)
        if answered is None:
            self._executor.tell(event)
        else:
            self._executor.ask(event, answered)

    def _event(self, order: Order) -> events.OrderEvent:
        if order is Order.UPGRADE:
            problem = self._handover.problem(is_strict=self._config().has_less_privileged_workers)
            return events.Upgrade(problem=problem)
        return _EVENTS[order]()


def _is_on_terminal() -> bool:
    """Say whether somebody's terminal is ours."""
    return any(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))
