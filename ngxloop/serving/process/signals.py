"""Signals as bytes in a pipe for the master, and a clean slate for its workers.

How no signal is lost. C code in the interpreter writes the number into the pipe inside the signal
handler (signal.set_wakeup_fd), so it is there before the system call that it interrupted returns,
and the master's one epoll sees it; the Python-level handlers do nothing. Around a fork everything
is blocked: what arrives then stays pending in the kernel, in the master until it unblocks, in the
worker until it has its own handlers (gunicorn issue 1910 is what happens otherwise).

Why not signalfd: Python has no call for it, and the pipe costs no ctypes.
"""

import _signal  # type: ignore[import-not-found]
import contextlib
import os
import select
import signal
from collections.abc import Callable, Collection, Iterator
from types import FrameType
from typing import Any

MASTER_SIGNALS = (
    signal.SIGTERM,
    signal.SIGQUIT,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCHLD,
)
ENDING_SIGNALS = (signal.SIGTERM, signal.SIGQUIT, signal.SIGINT, signal.SIGHUP)
# Tells a worker to write its stacks. Not SIGABRT, which faulthandler does not lend.
DUMP_SIGNAL = signal.SIGRTMIN + 1
ALL_SIGNALS = tuple(map(int, signal.valid_signals()))
# Without the enumerations, of which signal.pthread_sigmask() makes a hundred at each fork: 0.4 ms.
set_signal_mask: Callable[[int, Collection[int]], set[int]] = _signal.pthread_sigmask
# What these do to a worker is what they do to every process, until it has handlers of its own.
_WORKER_DEFAULTS = (signal.SIGTERM, signal.SIGCHLD)
# A worker takes its orders over the channel. Ctrl-C, Ctrl-\ and a `pkill -HUP` by name reach it as
# well as the master; they are the master's to answer. A handler that does nothing, not SIG_IGN:
# programs that the application starts would inherit that.
_WORKER_IGNORES = tuple(number for number in MASTER_SIGNALS if number not in _WORKER_DEFAULTS)


class SignalPipe:
    """The signals that the master handles, in order of arrival; main thread only."""

    def __init__(self) -> None:
        self._read_fd = self._write_fd = -1
        self._identity: tuple[int, int] | None = None  # device and inode, the same of both ends
        self._old_wakeup_fd = -1
        self._old_handlers: dict[signal.Signals, Any] = {}
        self._old_mask: set[Any] | None = None
        self.is_process_ending = False  # close() then lets no late signal spoil the exit code

    def fileno(self) -> int:
        """Return the descriptor that turns readable when a signal has arrived."""
        return self._read_fd

    def open(self) -> None:
        """Take the signals over."""
        self._make_pipe()
        self._old_wakeup_fd = signal.set_wakeup_fd(self._write_fd)
        for number in MASTER_SIGNALS:
            self._old_handlers[number] = signal.signal(number, _do_nothing)
        # Whoever started us may have left them blocked: none would ever arrive.
        self._old_mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, MASTER_SIGNALS)

    def is_intact(self) -> bool:
        """Say whether the pipe is still ours; code in this program can close any descriptor."""
        return all(_identity(fd) == self._identity for fd in (self._read_fd, self._write_fd))

    def renew(self) -> None:
        """Have another pipe; a number of the old one that is another file by now is left alone."""
        ours = [fd for fd in (self._read_fd, self._write_fd) if _identity(fd) == self._identity]
        self._make_pipe()
        signal.set_wakeup_fd(self._write_fd)
        for fd in ours:
            os.close(fd)

    def close(self) -> None:
        """Give the signals back to whoever had them before."""
        if self._old_mask is not None:  # before the handlers: what was held back stays so
            signal.pthread_sigmask(signal.SIG_SETMASK, self._old_mask)
            self._old_mask = None
        for number, handler in self._old_handlers.items():
            if self.is_process_ending and number in ENDING_SIGNALS:
                signal.signal(number, signal.SIG_IGN)
            elif handler is not None:  # None: it was not set from Python, and cannot be from here
                signal.signal(number, handler)
        self._old_handlers.clear()
        signal.set_wakeup_fd(self._old_wakeup_fd)
        self.close_fds()

    def close_fds(self) -> None:
        """Close the pipe only; for a forked worker, whose signals are reset_in_worker()'s."""
        for fd in (self._read_fd, self._write_fd):
            if fd >= 0:
                os.close(fd)
        self._read_fd = self._write_fd = -1

    def read(self) -> list[signal.Signals]:
        """Return the signals that have arrived since the last call."""
        try:
            numbers = os.read(self._read_fd, 4096)
        except BlockingIOError:
            return []
        # a program that runs a Master may handle others, and they come through the same pipe
        return [signal.Signals(number) for number in numbers if number in MASTER_SIGNALS]

    def _make_pipe(self) -> None:
        self._read_fd, self._write_fd = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._identity = _identity(self._read_fd)

    def wait(self, timeout: float) -> bool:
        """Wait until a signal can be read or the time is over; say which, True for a signal."""
        poll = select.poll()
        poll.register(self._read_fd, select.POLLIN)
        return bool(poll.poll(timeout * 1000))


@contextlib.contextmanager
def signals_blocked() -> Iterator[None]:
    """Hold every signal back in this thread: a fork inside starts its child with none let in."""
    old_mask = set_signal_mask(signal.SIG_SETMASK, ALL_SIGNALS)
    try:
        yield
    finally:
        set_signal_mask(signal.SIG_SETMASK, old_mask)


@contextlib.contextmanager
def signals_deferred(
    numbers: Collection[signal.Signals], on_signal: Callable[[], object]
) -> Iterator[None]:
    """Let these signals have their effect after the block only; for the main thread.

    They are not blocked: a process that is started in the block would inherit that.

    Args:
        numbers: Which ones.
        on_signal: Called in the block when one arrives.
    """
    arrived: list[int] = []

    def defer(number: int, frame: FrameType | None) -> None:
        arrived.append(number)
        on_signal()

    old = {number: signal.getsignal(number) for number in numbers}
    try:
        for number in numbers:
            signal.signal(number, defer)
        yield
    finally:
        for known, handler in old.items():
            signal.signal(known, signal.SIG_DFL if handler is None else handler)
        for one in arrived:
            signal.raise_signal(one)


def reset_in_worker() -> None:
    """Forget the master's handlers, ignore what only the master answers, let signals in again."""
    signal.set_wakeup_fd(-1)
    for number in _WORKER_IGNORES:
        signal.signal(number, _do_nothing)
        signal.siginterrupt(number, False)
    for number in _WORKER_DEFAULTS:
        signal.signal(number, signal.SIG_DFL)
    set_signal_mask(signal.SIG_SETMASK, ())


def _identity(fd: int) -> tuple[int, int] | None:
    """Return device and inode of an open file, None if the descriptor is closed."""
    try:
        found = os.fstat(fd)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """Do nothing: in the master the number is in the pipe already."""
