"""Let a worker write the stacks of its threads when it gets a signal, however stuck it is.

The trap: faulthandler gives the main thread a small alternate stack, on which the handlers of all
signals run from then on. The kernel puts a frame on it for each pending signal before the first
handler has begun, up to 11 KB with the registers of today's CPUs, and five at once ended a worker
with SIGSEGV (Python 3.13, glibc 2.36). So we put a larger one in its place, of which the kernel
gives us only the pages that are used.

A worker writes them into a pipe of its own (stackpipe.py), any other process to standard error.
"""

import ctypes
import faulthandler
import mmap
import os
import sys

_STACK_BYTES = 512 * 1024  # a frame for each of the 64 signals, the handler's own needs added
_libc = ctypes.CDLL(None, use_errno=True)


class _Stack(ctypes.Structure):
    """stack_t of sigaltstack(2)."""

    _fields_ = (("sp", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


_stacks: list[mmap.mmap] = []  # OWNS: the kernel borrows them until the process ends


def write_stacks_on(number: int, fd: int = -1) -> None:
    """Write all stacks at each such signal; for the main thread.

    Args:
        number: The signal.
        fd: Where to, by default standard error.

    Raises:
        OSError: The kernel does not take the stack.
    """
    try:
        file = fd if fd >= 0 else sys.__stderr__ or 2
        faulthandler.register(number, file=file, all_threads=True)
    except (OSError, ValueError):  # standard error is closed: nobody would read it
        return
    memory = mmap.mmap(-1, _STACK_BYTES)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    if _libc.sigaltstack(ctypes.byref(_Stack(address, 0, _STACK_BYTES)), None) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, f"sigaltstack() failed: {os.strerror(errno)}")
    _stacks.append(memory)
