"""run_forever: what surrounds the compiled turns."""

import signal
import sys
import threading
from asyncio import events
from typing import Any


class Running:
    """run_forever() and its set-up and clean-up, which 3.13 made hooks of their own."""

    def run_forever(self: Any) -> None:
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

    def _run_forever_setup(self: Any) -> None:
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

    def _run_forever_cleanup(self: Any) -> None:
        self._stopping = False
        self._thread_id = None
        events._set_running_loop(None)
        self._set_coroutine_origin_tracking(False)
        sys.set_asyncgen_hooks(*self._old_agen_hooks)
        self._old_agen_hooks = None
        self._give_back_wakeup_fd()

    def _take_wakeup_fd(self: Any) -> int | None:
        """Let signals wake the loop; only the main thread of the main interpreter gets them.

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
        if old_fd in {-1, fd}:
            return old_fd
        signal.set_wakeup_fd(old_fd)  # somebody else waits for signals: another loop with handlers
        return None

    def _give_back_wakeup_fd(self: Any) -> None:
        """Restore the wake-up fd, unless signal handlers of ours must still hear of signals."""
        if self._old_wakeup_fd is not None and not self._signal_handlers:
            signal.set_wakeup_fd(self._old_wakeup_fd)
        self._old_wakeup_fd = None
