"""Waker: ends the loop's wait from another thread or from a signal.

Rules. `sleeping` is set and cleared with the GIL held, right before the wait gives it up and right
after it is back; wake() is called with the GIL held. So a wake-up is never lost, and only the first
one of a sleep costs a write. While the loop runs, posting is enough: it checks its queue before it
sleeps again.

Signals come through a pipe of their own because signal.set_wakeup_fd() writes single bytes, which
an eventfd rejects. Model: the eventfd of ngx_epoll_notify_init.
"""

cimport cython
from libc.errno cimport EAGAIN, errno
from libc.stdint cimport uint64_t

from ngxloop.core.limits cimport SIGNAL_BYTES
from ngxloop.core.linux cimport (
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    O_CLOEXEC,
    O_NONBLOCK,
    eventfd,
    pipe2,
    read,
    write,
)
from ngxloop.core.linux cimport close as close_fd
from ngxloop.core.oserr cimport raise_os_error, replace_fd


@cython.final
cdef class Waker:
    """The wake-up fds of one loop; see the file header."""

    def __cinit__(self):
        self.event_fd = self.signal_fd = self.signal_write_fd = -1
        self.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
        if self.event_fd < 0:
            raise_os_error(errno, "eventfd()")

    def __dealloc__(self):
        self.close()

    cdef int wake(self) except -1:
        """End the loop's wait if it is in one. From any thread that holds the GIL."""
        cdef uint64_t one = 1
        if not self.sleeping or self.woken:
            return 0
        self.woken = True
        if write(self.event_fd, &one, sizeof(one)) < 0 and errno != EAGAIN:
            raise_os_error(errno, f"write(eventfd={self.event_fd})")
        return 0

    cdef int drain_wakes(self) noexcept:
        cdef uint64_t count
        return <int>read(self.event_fd, &count, sizeof(count))

    cdef bytes drain_signals(self):
        """Return the numbers of the signals that arrived, one byte each."""
        cdef char numbers[SIGNAL_BYTES]
        cdef ssize_t count = read(self.signal_fd, numbers, SIGNAL_BYTES)
        return numbers[:count] if count > 0 else b""

    cdef int open_signal_pipe(self) except -1:
        """Make the pipe for signals; only a loop that runs in the main thread needs it."""
        cdef int fds[2]
        if self.signal_fd >= 0:
            return 0
        if pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0:
            raise_os_error(errno, "pipe2()")
        self.signal_fd, self.signal_write_fd = fds[0], fds[1]
        return 0

    def _loop_closed(self):
        """The loop closes, and we with it."""
        self.close()

    cdef int renew(self) except -1:
        """Replace the fds by new ones of the same numbers: a forked child shares the old ones."""
        cdef Waker fresh = Waker()
        replace_fd(fresh.event_fd, self.event_fd)
        if self.signal_fd >= 0:
            fresh.open_signal_pipe()
            replace_fd(fresh.signal_fd, self.signal_fd)
            replace_fd(fresh.signal_write_fd, self.signal_write_fd)
        self.sleeping = self.woken = False
        return 0

    cdef int close(self) except -1:
        """Close all fds; harmless when closed."""
        if self.event_fd >= 0:
            close_fd(self.event_fd)
        if self.signal_fd >= 0:
            close_fd(self.signal_fd)
            close_fd(self.signal_write_fd)
        self.event_fd = self.signal_fd = self.signal_write_fd = -1
        return 0
