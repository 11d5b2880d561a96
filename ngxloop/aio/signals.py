"""add_signal_handler: callbacks in the loop for the signals of the process."""

import asyncio
import contextvars
import errno
import inspect
import signal
from collections.abc import Callable, Collection
from typing import Any, TypeVarTuple

Ts = TypeVarTuple("Ts")


class SignalHandlers:
    """Signal handlers of the loop; only the main thread may set them.

    How it works. Python's C handler writes the number of each signal to the loop's pipe
    (signal.set_wakeup_fd); the loop reads it and schedules the callback. The Python-level handler
    keeps the signal from its default action and notes its number: a full pipe takes no more bytes,
    but a kind of signal is never lost. A noted number without a byte in the pipe is scheduled once.
    """

    _signals_seen: set[int]

    def add_signal_handler(
        self: Any, sig: int, callback: Callable[[*Ts], object], *args: *Ts
    ) -> None:
        """Call callback(*args) in the loop when the process gets signal sig.

        Works on a loop that is not running, too: the callback runs when it does.

        Raises:
            TypeError: callback is a coroutine or coroutine function, or sig no number.
            ValueError: there is no such signal.
            RuntimeError: the signal cannot be caught, or this is not the main thread.
        """
        if asyncio.iscoroutine(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        self._check_signal(sig)
        self._check_closed()
        try:
            signal.set_wakeup_fd(self._open_signal_pipe(), warn_on_full_buffer=False)
        except (ValueError, OSError) as exc:
            raise RuntimeError(str(exc)) from exc
        handle = _SignalHandle(self, callback, args)
        self._signal_handlers[sig] = handle
        try:
            signal.signal(sig, _SignalNote(self._signals_seen))
            signal.siginterrupt(sig, False)  # system calls of the program go on
        except OSError as exc:
            del self._signal_handlers[sig]
            self._release_wakeup_fd()
            if exc.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught") from exc
            raise
        self._watch_signals(True)

    def remove_signal_handler(self: Any, sig: int) -> bool:
        """Restore the default action of signal sig; return False if there was no handler.

        Raises:
            ValueError: there is no such signal.
            RuntimeError: the action cannot be restored.
        """
        self._check_signal(sig)
        if self._signal_handlers.pop(sig, None) is None:
            return False
        self._signals_seen.discard(sig)
        default = signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL
        try:
            signal.signal(sig, default)
        except OSError as exc:
            if exc.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught") from exc
            raise
        self._release_wakeup_fd()
        return True

    def _release_wakeup_fd(self: Any) -> None:
        """Without handlers, only a running loop needs to be woken by signals."""
        if self._signal_handlers:
            return
        self._watch_signals(False)
        if not self.is_running():
            signal.set_wakeup_fd(-1)

    def _signals_noted(self) -> set[int]:
        """Return which kinds of signals have come and were not yet read from the pipe."""
        return set(self._signals_seen)

    def _process_signals(self: Any, numbers: bytes, noted: Collection[int]) -> None:
        """Schedule the handlers of the signals that have come; 0 is a bare wake-up.

        Args:
            numbers: what was read from the pipe.
            noted: what must have been read by now, if the pipe had room for it.
        """
        self._signals_seen.difference_update(numbers)
        lost = self._signals_seen.intersection(noted)
        self._signals_seen -= lost
        for number in (*numbers, *lost):
            handle = self._signal_handlers.get(number)
            if handle is not None:
                handle.schedule()

    def _check_signal(self, sig: int) -> None:
        if not isinstance(sig, int):
            raise TypeError(f"sig must be an int, not {sig!r}")
        if sig not in signal.valid_signals():
            raise ValueError(f"invalid signal number {sig}")


class _SignalHandle:
    """A signal's callback, scheduled anew each time the signal comes."""

    __slots__ = ("args", "callback", "context", "loop")

    def __init__(self, loop: Any, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.loop = loop
        self.callback = callback
        self.args = args
        self.context = contextvars.copy_context()

    def schedule(self) -> None:
        self.loop.call_soon(self.callback, *self.args, context=self.context)


class _SignalNote:
    """A Python-level signal handler that notes the signal; it does not keep the loop alive."""

    __slots__ = ("seen",)

    def __init__(self, seen: set[int]) -> None:
        self.seen = seen

    def __call__(self, signum: int, frame: object) -> None:
        self.seen.add(signum)
