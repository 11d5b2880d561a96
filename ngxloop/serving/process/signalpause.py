"""A signal.pause() that does not return for one signal: the one that only the worker knows of.

How it works. pause(2) does not say which signals have ended it, and one that arrives before it is
called again would be missed. So the process waits for bytes in a pipe: for each signal that has a
handler in Python, the C function behind it writes the number (signal.set_wakeup_fd), in whichever
thread it runs. The handlers run before pause() returns, and what they raise ends it, as always.

Each call has a pipe of its own, because a handler may call pause(), too. The difference: a handler
in C alone, as faulthandler has them, does not end the wait.
"""

import contextlib
import os
import signal
import threading

_READ_BYTES = 4096  # one for each signal; more than ever wait


class SignalPause:
    """Stands in the place of signal.pause(), in the main thread of this process.

    Args:
        ignored: The signal that does not end it.
    """

    def __init__(self, ignored: signal.Signals) -> None:
        self._ignored = ignored
        self._pid = os.getpid()
        self._original = signal.pause

    def install(self) -> None:
        """Let the program find this one."""
        signal.pause = self.pause

    def pause(self) -> None:
        """Wait until another signal arrives."""
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or os.getpid() != self._pid:  # the signal is not sent to a forked child
            self._original()
            return
        try:
            pipe = os.pipe()
        except OSError:  # no descriptor is free: returning too early is better than failing
            self._original()
            return
        try:
            self._wait(*pipe)
        finally:
            for fd in pipe:
                os.close(fd)

    def _wait(self, read_fd: int, write_fd: int) -> None:
        os.set_blocking(write_fd, False)
        outer_fd = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        try:
            numbers = b""
            while not set(numbers) - {self._ignored}:
                numbers = os.read(read_fd, _READ_BYTES)
                _pass_on(numbers, outer_fd)
        finally:
            signal.set_wakeup_fd(outer_fd, warn_on_full_buffer=False)
            os.set_blocking(read_fd, False)
            with contextlib.suppress(BlockingIOError):
                _pass_on(os.read(read_fd, _READ_BYTES), outer_fd)


def _pass_on(numbers: bytes, fd: int) -> None:
    """Write them to where the program lets signals be reported, if it does."""
    if fd >= 0:
        with contextlib.suppress(OSError):  # full, or closed by the program
            os.write(fd, numbers)
