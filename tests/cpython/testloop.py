"""TestLoop of test.test_asyncio.utils on another loop: a clock that a generator of the test moves.

How it works. The generator is sent the deadline of every timer that a turn has set, and yields by
how many seconds the clock is to go on before the next turn. CPython's TestLoop overrides
_run_once() for this, which ngxloop's run_forever() does not call; so here each turn is taken alone.
"""

from collections.abc import Callable, Generator
from typing import Any


def test_loop_class(loop_class: type) -> type:  # noqa: C901 - nothing but a class
    """Return a TestLoop on a loop class that has ngxloop's _run_once() and _run_turns()."""

    class TestLoop(loop_class):
        def __init__(self, clock: Callable[[], Generator[Any, float, None]] | None = None) -> None:
            super().__init__()
            self._check_on_close = clock is not None
            self._clock = (clock or _standing_clock)()
            self._now = 0.0
            self._deadlines: list[float] = []
            next(self._clock)

        def time(self) -> float:
            return self._now

        def advance_time(self, seconds: float | None) -> None:
            self._now += seconds or 0

        def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:
            return self.call_at(self._now + delay, callback, *args, context=context)

        def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:
            self._deadlines.append(when)
            return super().call_at(when, callback, *args, context=context)

        def _run_once(self) -> None:
            super()._run_once()
            for deadline in self._deadlines:
                self.advance_time(self._clock.send(deadline))
            self._deadlines = []

        def _run_turns(self) -> None:
            while True:
                self._run_once()
                if self._stopping:
                    return

        def close(self) -> None:
            super().close()
            if self._check_on_close:
                try:
                    self._clock.send(0)
                except StopIteration:
                    return
                raise AssertionError("the test's clock has not come to its end")

    return TestLoop


def _standing_clock() -> Generator[Any, float, None]:
    """Go on by nothing, once."""
    yield
