"""The master's turn: wait, act on signals and channels, act on deadlines, audit after a failure."""

import signal
import time
from collections.abc import Callable

from ngxloop.serving.audit import Audit
from ngxloop.serving.generations import Generations
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.orders import ENDING_ORDERS, Order
from ngxloop.serving.poller import Handler, Poller, retry_delay
from ngxloop.serving.signals import SignalPipe


class Turn:
    """Runs one turn at a time; only KeyboardInterrupt and SystemExit leave it.

    Args:
        poller: What is waited for.
        signals: The pipe of the signals.
        generations: Have deadlines.
        find_order: Returns what a signal orders.
        obey: Does it.
    """

    def __init__(
        self,
        poller: Poller,
        signals: SignalPipe,
        generations: Generations,
        find_order: Callable[[signal.Signals], Order | None],
        obey: Callable[[Order], object],
    ) -> None:
        self._poller = poller
        self._signals = signals
        self._generations = generations
        self._find_order = find_order
        self._obey = obey
        self._audit = Audit(generations, poller)
        self._failure_count = 0  # turns in a row that failed as a whole
        self._watch_signals()

    def run(self) -> None:
        """Do one turn; after a failure of the turn itself, pause."""
        if self._poller.call(Handler(HandlerName.TURN, self._turn)):
            self._failure_count = 0
        else:
            self._failure_count += 1
            time.sleep(retry_delay(self._failure_count))

    def _turn(self) -> None:
        deadline = self._generations.next_deadline()
        self._poller.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        self._generations.act_on_deadlines()
        self._audit.run()

    def _watch_signals(self) -> None:
        handler = Handler(HandlerName.SIGNALS, self._handle_signals, self._renew_signals)
        self._poller.add(self._signals.fileno(), handler)

    def _renew_signals(self) -> None:
        """Make a new pipe if other code in this process has closed ours."""
        if not self._signals.is_intact():
            self._poller.remove(self._signals.fileno())
            self._signals.renew()
            self._watch_signals()

    def _handle_signals(self) -> None:
        arrived = self._signals.read()
        orders = [order for order in map(self._find_order, arrived) if order is not None]
        # Orders to end come first: then a worker that died of the same signal has not failed.
        for order in orders:
            if order in ENDING_ORDERS:
                self._obey(order)
        if signal.SIGCHLD in arrived:
            self._poller.call(Handler(HandlerName.REAPING, self._generations.crew.reap))
        for order in orders:
            if order not in ENDING_ORDERS:
                self._obey(order)
