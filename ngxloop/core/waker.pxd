"""Waker: ends the loop's wait from another thread or from a signal."""

from ngxloop.core.event cimport Connection

cdef class Waker:
    cdef readonly int event_fd       # eventfd that other threads write to
    cdef readonly int signal_fd      # read end of the pipe that Python's signal handler writes to
    cdef readonly int signal_write_fd
    cdef bint sleeping               # the loop waits, or is about to: it must be woken
    cdef bint woken                  # event_fd was written to since the loop went to sleep

    cdef int wake(self) except -1
    cdef int drain_wakes(self) noexcept
    cdef bytes drain_signals(self)
    cdef int open_signal_pipe(self) except -1
    cdef int renew(self) except -1
    cdef int close(self) except -1
