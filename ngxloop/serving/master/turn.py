"""The master's turn: wait, act on signals and channels, act on deadlines, audit after a failure."""

import functools
import signal
import time
from collections.abc import Callable

from ngxloop.serving.admin.orders import ENDING_ORDERS, Order
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.fleet.executor import Executor
from ngxloop.serving.master.audit import Audit
from ngxloop.serving.process.poller import Handler, Poller, retry_delay
from ngxloop.serving.process.signals import SignalPipe

_WAIT_PAUSE_SECONDS = 1.0  # between two waits for a signal to the whole process group


class Turn:
    """Runs one turn at a time; only KeyboardInterrupt and SystemExit leave it.

    Args:
        poller: What is waited for.
        signals: The pipe of the signals.
        executor: Has deadlines.
        audit: Follows a failure.
        find_order: Returns what a signal orders.
        dispatch: Does it.
        reap: Takes note of children that have ended.
    """

    def __init__(
        self,
        poller: Poller,
        signals: SignalPipe,
        executor: Executor,
        audit: Audit,
        find_order: Callable[[signal.Signals], Order | None],
        dispatch: Callable[[Order], object],
        reap: Callable[[], None],
    ) -> None:
        self._poller = poller
        self._signals = signals
        self._executor = executor
        self._audit = audit
        self._find_order = find_order
        self._dispatch = dispatch
        self._reap = reap
        self._failure_count = 0  # turns in a row that failed as a whole
        self._tick_failures = 0  # in a row
        self._tick_at = 0.0  # no tick before this, in monotonic time
        self._kept: list[signal.Signals] = []  # that have arrived and are still to be handled
        self._waits_again_at = 0.0  # no wait for an order to end before this, in monotonic time
        self._watch_signals()

    def run(self) -> None:
        """Do one turn; after a failure of the turn itself, pause."""
        if self._poller.call(Handler(HandlerName.TURN, self._turn)):
            self._failure_count = 0
        else:
            self._failure_count += 1
            time.sleep(retry_delay(self._failure_count))

    def _turn(self) -> None:
        self._poller.wait(0.0 if self._kept else self._timeout())
        if self._kept:
            self._look_for_signals(0.0)
        if time.monotonic() >= self._tick_at:
            self._tick()
        self._audit.run()

    def _timeout(self) -> float | None:
        seconds = self._executor.wait_seconds()
        pause = self._tick_at - time.monotonic()
        return seconds if seconds is None or pause <= 0 else max(seconds, pause)

    def _tick(self) -> None:
        """Act on deadlines; pause after a failure, or the same deadline would use all the CPU."""
        if self._poller.call(Handler(HandlerName.DEADLINE, self._executor.tick)):
            self._tick_failures = 0
        else:
            self._tick_failures += 1
            self._tick_at = time.monotonic() + retry_delay(self._tick_failures)

    def _watch_signals(self) -> None:
        handler = Handler(HandlerName.SIGNALS, self._handle_signals, self._renew_signals)
        self._poller.add(self._signals.fileno(), handler)
        # A signal to the whole process group reaches workers as well. What they say of it has
        # another meaning once our own order to end is known, and it may arrive first.
        self._poller.first = self._look_for_signals

    def _look_for_signals(self, seconds: float) -> None:
        wait = functools.partial(self._wait_for_end, seconds)
        look = wait if seconds else self._handle_next_signals
        self._poller.call(Handler(HandlerName.SIGNALS, look, self._renew_signals))

    def _handle_next_signals(self) -> None:
        if self._kept or self._signals.wait(0):
            self._handle_signals()

    def _wait_for_end(self, seconds: float) -> None:
        """Obey an order to end that comes within a time, from now or from the last such wait.

        All other signals are handled later: what a worker has said must be told before its end.
        """
        now = time.monotonic()
        deadline = now + seconds if now >= self._waits_again_at else now
        self._waits_again_at = max(self._waits_again_at, now + _WAIT_PAUSE_SECONDS)
        while self._signals.wait(max(0.0, deadline - time.monotonic())):
            arrived = self._signals.read()
            others = self._handle_ends(arrived)
            self._kept += others
            if len(others) < len(arrived):
                return

    def _handle_ends(self, arrived: list[signal.Signals]) -> list[signal.Signals]:
        """Obey the orders to end among signals; return the others."""
        others = []
        for one in arrived:
            order = self._find_order(one)
            if order in ENDING_ORDERS:
                self._dispatch(order)
            else:
                others.append(one)
        return others

    def _renew_signals(self) -> None:
        """Make a new pipe if other code in this process has closed ours."""
        if not self._signals.is_intact():
            self._poller.remove(self._signals.fileno())
            self._signals.renew()
            self._watch_signals()

    def _handle_signals(self) -> None:
        arrived, self._kept = [*self._kept, *self._signals.read()], []
        # Orders to end come first: then a worker that died of the same signal has not failed.
        others = self._handle_ends(arrived)
        if signal.SIGCHLD in others:
            self._poller.call(Handler(HandlerName.REAPING, self._reap))
        for order in map(self._find_order, others):
            if order is not None:
                self._dispatch(order)
