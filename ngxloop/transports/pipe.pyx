"""PipeTransport: what both ends of a pipe have: a Python object with an fd, which they close.

"Pipe" is asyncio's word for FIFOs, sockets, and character devices such as terminals.

Rules. The pipe becomes non-blocking and stays so, as in asyncio; other processes may share it
(standard input and output) and change that at any time. The transport owns the Python object and
closes through it. Where the number is in use already, by the transport of the other direction of a
terminal or by add_reader(), a duplicate is watched: a number has one slot.
"""

from cpython.contextvars cimport PyContext_CopyCurrent
from libc.errno cimport EPERM
from posix.stat cimport S_ISCHR, S_ISFIFO, S_ISSOCK

import os

from ngxloop.core.event cimport Connection
from ngxloop.core.linux cimport close
from ngxloop.core.reactor cimport Reactor
from ngxloop.transports.transport cimport Transport, transport_start


cdef class PipeTransport(Transport):
    """The base of both ends; see the file header."""

    def __cinit__(self, *args, **kwargs):
        self.pipe_fd = -1

    def __init__(self):
        raise TypeError("pipe transports are made by connect_read_pipe() and connect_write_pipe()")

    def __repr__(self):
        state = "closing" if self.closing and self.connection != NULL else "open"
        if self.pipe is None:
            state = "closed"
        return f"<ngxloop.{type(self).__name__} {state} fd={self.pipe_fd}{self._repr_more()}>"

    def _repr_more(self):
        """Return what __repr__() adds for an open pipe."""
        return ""

    def set_protocol(self, protocol):
        """Give the pipe to another protocol, at any time."""
        self.protocol = protocol

    @property
    def _pipe(self):
        return self.pipe

    @_pipe.setter
    def _pipe(self, value):
        """Take None once the loop is closed: the caller has closed the pipe."""
        if value is not None or self.connection != NULL:
            raise AttributeError("the pipe of a transport cannot be replaced")
        if self.fd != self.pipe_fd:
            close(self.fd)
        self.fd = -1
        self.pipe = None

    @property
    def _fileno(self):
        return self.pipe_fd

    cdef int open_pipe(
        self, Reactor reactor, pipe, protocol, extra, context, str refusal
    ) except -1:
        """Take a slot for the pipe's fd and post its first event.

        On failure the pipe stays the caller's.

        Args:
            refusal: text of the ValueError for a regular file or a folder.
        """
        cdef object number = pipe.fileno()
        cdef int fd
        cdef int watched_fd
        cdef Connection* connection
        reactor.check_open()
        self.mode = os.fstat(number).st_mode
        if not (self.is_fifo() or self.is_socket() or S_ISCHR(self.mode)):
            raise ValueError(refusal)
        fd = watched_fd = number
        os.set_blocking(fd, False)
        connection = reactor.pool.connection_of_fd(fd)
        if connection != NULL and not connection.idle:
            watched_fd = os.dup(fd)
        try:
            if context is None:
                context = PyContext_CopyCurrent()
            self.take_slot(reactor, watched_fd, protocol, context)
        except BaseException:
            if watched_fd != fd:
                close(watched_fd)
            raise
        self.pipe_fd = fd
        self.pipe = pipe
        self.extra = {**(extra or {}), "pipe": pipe}
        self.connection.read.handler = transport_start
        reactor.post(&self.connection.read)
        return 0

    cdef int watch(self, uint32_t mask) except -1:
        """Register the fd; epoll refuses some devices (/dev/null), which never block.

        Any other failure means that the fd was closed by others, and ends the connection.
        """
        try:
            self.loop.poller.poll_add(self.connection, mask)
        except OSError as exc:
            if exc.errno == EPERM:
                self.unpolled = True
            else:
                self.fatal_error(exc, "Fatal error: the pipe cannot be watched.")
        return 0

    cdef bint is_fifo(self) noexcept:
        return S_ISFIFO(self.mode)

    cdef bint is_socket(self) noexcept:
        return S_ISSOCK(self.mode)

    # ---- the end

    cdef bint has_duplicates(self) except -1:
        return not self.unpolled

    cdef int close_fd(self) except -1:
        cdef object pipe = self.pipe
        if self.fd != self.pipe_fd:
            close(self.fd)
        self.fd = -1
        self.pipe = None
        return self.close_owner(pipe)
