"""TestLoop of test.test_asyncio.utils on another loop: its clock and its files are the test's.

How it works. The generator is sent the deadline of every timer that a turn has set, and yields by
how many seconds the clock is to go on before the next turn. CPython's TestLoop overrides
_run_once() for this, which ngxloop's run_forever() does not call; so here each turn is taken alone.

The tests of asyncio's pipe transports give them a mock with the number 5 for a pipe. As in
CPython's TestLoop nothing is watched: what is to be watched is recorded, for the test to ask.
"""

import asyncio
import collections
from collections.abc import Callable, Generator
from typing import Any


class RecordedFiles:
    """What is to be watched: the handle of each number, and how often it was removed."""

    def __init__(self) -> None:
        self.handles: dict[int, asyncio.Handle] = {}
        self.removals: collections.Counter[int] = collections.Counter()

    def remove(self, fd: int) -> bool:
        self.removals[fd] += 1
        return self.handles.pop(fd, None) is not None

    def check(self, fd: int, callback: Any, args: tuple[Any, ...]) -> None:
        """Fail unless exactly this call would be made."""
        assert fd in self.handles, f"{fd} is not watched"
        handle: Any = self.handles[fd]
        assert (handle._callback, handle._args) == (callback, args)


def test_loop_class(loop_class: type) -> type:  # noqa: C901 - nothing but a class
    """Return a TestLoop on a loop class that has ngxloop's _run_once() and _run_turns()."""

    class TestLoop(loop_class):
        def __init__(self, clock: Callable[[], Generator[Any, float, None]] | None = None) -> None:
            super().__init__()
            self._check_on_close = clock is not None
            self._clock = (clock or _standing_clock)()
            self._now = 0.0
            self._deadlines: list[float] = []
            self._files = RecordedFiles(), RecordedFiles()
            self.readers, self.writers = (files.handles for files in self._files)
            self.remove_reader_count, self.remove_writer_count = (
                files.removals for files in self._files
            )
            next(self._clock)

        def _add_reader(self, fd: int, callback: Any, *args: Any) -> None:
            self.readers[fd] = asyncio.Handle(callback, args, self)

        def _add_writer(self, fd: int, callback: Any, *args: Any) -> None:
            self.writers[fd] = asyncio.Handle(callback, args, self)

        def _remove_reader(self, fd: int) -> bool:
            return self._files[0].remove(fd)

        def _remove_writer(self, fd: int) -> bool:
            return self._files[1].remove(fd)

        add_reader, add_writer = _add_reader, _add_writer
        remove_reader, remove_writer = _remove_reader, _remove_writer

        def assert_reader(self, fd: int, callback: Any, *args: Any) -> None:
            self._files[0].check(fd, callback, args)

        def assert_writer(self, fd: int, callback: Any, *args: Any) -> None:
            self._files[1].check(fd, callback, args)

        def assert_no_reader(self, fd: int) -> None:
            assert fd not in self.readers

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
