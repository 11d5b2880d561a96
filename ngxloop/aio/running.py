"""How the loop runs: run_forever() around the compiled turns, signal handlers, busy polling.

Signal handlers. Python's C handler writes the number of each signal to the loop's pipe
(signal.set_wakeup_fd); the loop reads it and schedules the callback. The Python-level handler
replaces the signal's default action and records its number: a full pipe takes no more bytes, but
no kind of signal is lost. A recorded number without a byte in the pipe is scheduled once.

_signal_handlers is a dict of handles, as in asyncio: prompt_toolkit and others read the callback
and its arguments there, and install them again later.
"""

import asyncio
import errno
import inspect
import signal
import sys
import threading
import warnings
from asyncio import events
from collections.abc import Callable, Collection
from typing import TypeVarTuple

from ngxloop.aio.loop_base import LoopBase

Ts = TypeVarTuple("Ts")


class Running(LoopBase):
    """run_forever(), signal handlers and set_busy_poll(); see the file header."""

    __slots__ = ()

    def run_forever(self) -> None:
        """Run until stop() is called.

        Raises:
            RuntimeError: the loop is closed, or a loop runs in this thread already.
            KeyboardInterrupt, SystemExit: raised by a callback or a signal; the loop can run again.
        """
        self._run_forever_setup()
        try:
            self._run_turns()
        finally:
            self._run_forever_cleanup()

    def set_busy_poll(self, seconds: float) -> None:
        """Busy-poll for this long before blocking, whenever there is nothing to do.

        An event that arrives meanwhile is handled at once: no sleeping core must be woken. 0, the
        default, blocks at once.

        Args:
            seconds: 50e-6 suits clients that answer at once; math.inf never blocks.

        Raises:
            TypeError: seconds is not a number.
            ValueError: seconds is negative or nan.

        Notes:
            A loop with little to do uses that much more of its core. The GIL is free meanwhile, but
            other threads need a core of their own. Source of the idea: SO_BUSY_POLL, socket(7),
            which does the same for the queues of a network card.
        """
        if not seconds >= 0:
            raise ValueError(f"seconds must not be negative, got {seconds!r}")
        self._set_busy_poll(seconds)

    # ---- around the turns; 3.13 made set-up and clean-up hooks

    def _run_forever_setup(self) -> None:
        self._check_closed()
        self._check_running()
        self._old_wakeup_fd = self._take_wakeup_fd()  # may fail: nothing is changed until then
        self._set_coroutine_origin_tracking(self._debug)
        self._old_agen_hooks = sys.get_asyncgen_hooks()
        self._thread_id = threading.get_ident()
        sys.set_asyncgen_hooks(
            firstiter=self._asyncgen_firstiter_hook, finalizer=self._asyncgen_finalizer_hook
        )
        events._set_running_loop(self)

    def _run_forever_cleanup(self) -> None:
        self._stopping = False
        self._thread_id = None
        events._set_running_loop(None)
        self._set_coroutine_origin_tracking(False)
        sys.set_asyncgen_hooks(*self._old_agen_hooks)
        self._old_agen_hooks = None
        self._give_back_wakeup_fd()

    def _take_wakeup_fd(self) -> int | None:
        """Make signals wake the loop; only the main thread of the main interpreter gets them.

        Returns:
            The fd to restore, None if signals were left alone.
        """
        if threading.current_thread() is not threading.main_thread():
            return None
        fd = self._open_signal_pipe()
        try:
            old_fd = signal.set_wakeup_fd(fd, warn_on_full_buffer=False)
        except ValueError:  # the main thread of a subinterpreter
            return None
        if old_fd in {-1, fd}:  # ours stays only as long as there are handlers, or the loop runs
            return -1
        try:  # used elsewhere: by another loop with signal handlers
            signal.set_wakeup_fd(old_fd)
        except (OSError, ValueError):  # its file is closed, or the number is another file's
            return -1
        return None

    def _give_back_wakeup_fd(self) -> None:
        """Restore the wake-up fd, unless signal handlers of ours still need ours."""
        if self._old_wakeup_fd is not None and not self._signal_handlers:
            signal.set_wakeup_fd(self._old_wakeup_fd)
        self._old_wakeup_fd = None

    # ---- signal handlers; only the main thread may set them

    def add_signal_handler(self, sig: int, callback: Callable[[*Ts], object], *args: *Ts) -> None:
        """Call callback(*args) in the loop when the process gets signal sig.

        This works on a loop that is not running, too: the callback runs when the loop does.

        Raises:
            TypeError: callback is a coroutine or coroutine function, or sig is not a number.
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
        self._signal_handlers[sig] = asyncio.Handle(callback, args, self)
        try:
            signal.signal(sig, _SignalNote(self._signals_seen))
            signal.siginterrupt(sig, False)  # system calls of the program are restarted
        except OSError as exc:
            del self._signal_handlers[sig]
            self._release_wakeup_fd()
            if exc.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught") from exc
            raise
        self._watch_signals(True)

    def remove_signal_handler(self, sig: int) -> bool:
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

    def _check_signal(self, sig: int) -> None:
        if not isinstance(sig, int):
            raise TypeError(f"sig must be an int, not {sig!r}")
        if sig not in signal.valid_signals():
            raise ValueError(f"invalid signal number {sig}")

    def _release_wakeup_fd(self) -> None:
        """Without handlers, only a running loop needs to be woken by signals."""
        if self._signal_handlers:
            return
        self._watch_signals(False)
        if not self.is_running():
            signal.set_wakeup_fd(-1)

    def _signals_noted(self) -> set[int]:
        """Return the kinds of signals that have arrived and were not yet read from the pipe."""
        return set(self._signals_seen)

    def _process_signals(self, numbers: bytes, noted: Collection[int]) -> None:
        """Schedule the handlers of the signals that have arrived; 0 is a bare wake-up.

        Args:
            numbers: what was read from the pipe.
            noted: what must have been read by now, if the pipe had room for it.
        """
        self._signals_seen.difference_update(numbers)
        lost = self._signals_seen.intersection(noted)
        self._signals_seen -= lost
        for number in (*numbers, *lost):
            self._handle_signal(number)

    def _handle_signal(self, sig: int) -> None:
        """Schedule the handler of a signal, if there is one; asyncio's name for it."""
        handle = self._signal_handlers.get(sig)
        if handle is None:
            return
        if handle._cancelled:
            self.remove_signal_handler(sig)
        else:
            self.call_soon(handle._callback, *handle._args, context=handle._context)

    def _close_signals(self) -> None:
        """Restore the signals' default actions; too late while the interpreter shuts down."""
        if not self._signal_handlers:
            return
        if sys.is_finalizing():
            warnings.warn(
                f"Closing the loop {self!r} on interpreter shutdown stage, "
                f"skipping signal handlers removal",
                ResourceWarning,
                source=self,
            )
            self._signal_handlers.clear()
            return
        try:
            for sig in list(self._signal_handlers):
                self.remove_signal_handler(sig)
        except BaseException:
            self._leave_signal_pipe()
            raise


class _SignalNote:
    """A Python-level signal handler that records the signal; it does not keep the loop alive."""

    __slots__ = ("seen",)

    def __init__(self, seen: set[int]) -> None:
        self.seen = seen

    def __call__(self, signum: int, frame: object) -> None:
        self.seen.add(signum)
