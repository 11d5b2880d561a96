"""A signal to this process after a time: timer_create(2), for which Python has no call.

Why not a thread: a program that forks is warned of threads (Python 3.12), and gevent has to patch
them first. Why not setitimer(): there is one SIGALRM in a process, and it is the program's.
The timer does not pass to a forked child, nor to a program that is executed in our place.
"""

import ctypes
import math
import os
import signal

_CLOCK_MONOTONIC = 1  # linux/time.h
_SIGEV_SIGNAL = 0  # asm-generic/siginfo.h
_SIGEV_BYTES = 64


class _Event(ctypes.Structure):
    """struct sigevent, on a 64-bit system."""

    _fields_ = (
        ("value", ctypes.c_void_p),
        ("number", ctypes.c_int),
        ("notify", ctypes.c_int),
        ("rest", ctypes.c_char * (_SIGEV_BYTES - 16)),
    )


class _Times(ctypes.Structure):
    """struct itimerspec."""

    _fields_ = (
        ("interval_seconds", ctypes.c_long),
        ("interval_ns", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("ns", ctypes.c_long),
    )


class SignalTimer:
    """Sends one signal after each arm().

    Raises:
        OSError: The kernel, or a sandbox, has no such timers.
    """

    def __init__(self, number: signal.Signals) -> None:
        event = _Event(number=int(number), notify=_SIGEV_SIGNAL)
        self._timer = ctypes.c_void_p()
        self._library = _library()
        made = ctypes.byref(self._timer)
        self._check(self._library.timer_create(_CLOCK_MONOTONIC, ctypes.byref(event), made))

    def arm(self, seconds: float) -> None:
        """Send the signal after this time, above 0."""
        fraction, whole = math.modf(seconds)
        times = _Times(0, 0, int(whole), int(fraction * 1e9))
        self._check(self._library.timer_settime(self._timer, 0, ctypes.byref(times), None))

    def _check(self, result: int) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"timer_create(CLOCK_MONOTONIC): {os.strerror(number)}")


def _library() -> ctypes.CDLL:
    """Return the library that has the functions; glibc before 2.34 had them in another one."""
    library = ctypes.CDLL(None, use_errno=True)
    try:
        _ = library.timer_create
    except AttributeError:
        library = ctypes.CDLL("librt.so.1", use_errno=True)
    library.timer_settime.argtypes = (
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_void_p,
    )
    return library
