"""ReadPipeTransport: the end of a pipe that is read.

Rules. The fd is level-triggered, and each event of the kernel is followed by one read, never more:
O_NONBLOCK belongs to all processes that share the pipe. A shell or a child may have cleared it on
our standard input, and a read that finds nothing would then block the loop. Also, a short read
proves nothing with terminals (one line at a time) and pipes of packets.

Pausing and resuming are flags: only if there is an event while the pipe is paused is it taken out
of epoll, which would report an end again and again, until reading is resumed.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.errno cimport EAGAIN, EINTR, EIO, errno
from libc.stdint cimport uint32_t

import asyncio
import logging

from ngxloop.core.event cimport Event
from ngxloop.core.limits cimport RECEIVE_BYTES
from ngxloop.core.linux cimport EPOLLIN, EPOLLRDHUP, read
from ngxloop.core.oserr cimport os_error
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.ready cimport event_unpost
from ngxloop.transports.pipe cimport PipeTransport

cdef uint32_t READABLE = EPOLLIN | EPOLLRDHUP

logger = logging.getLogger("asyncio")


@cython.final
cdef class ReadPipeTransport(PipeTransport):
    """The reading end of a pipe; see the file header."""

    max_size = RECEIVE_BYTES

    @property
    def __class__(self):
        return asyncio.ReadTransport

    def _repr_more(self):
        if self.pipe is None:
            return ""
        return " idle" if self.paused or self.closing else " polling"

    def close(self):
        """Close the pipe; connection_lost(None) follows in the next turn."""
        if not self.closing:
            self._force_close(None)

    cdef int reading_paused(self) except -1:
        if self.connection.read.posted and self.connection.read.handler == pipe_read:
            event_unpost(&self.connection.read)  # reported anew once reading is resumed
        if self.loop.debugging:
            logger.debug("%r pauses reading", self)
        return 0

    cdef int reading_resumed(self) except -1:
        if self.unpolled:
            self.loop.post(&self.connection.read)
        elif self.started and not self.connection.interest:
            self.watch(READABLE)
        if self.loop.debugging:
            logger.debug("%r resumes reading", self)
        return 0

    cdef int start(self) except -1:
        """Call connection_made(), then read (the first event of the slot)."""
        if not self.begin():
            return 0
        self.connection.read.handler = pipe_read
        self.connection.read.active = 1
        self.watch(READABLE)
        if self.unpolled:
            self.loop.post(&self.connection.read)
        return 0

    cdef int read_ready(self) except -1:
        """Read once (the read event of the slot)."""
        cdef char* buf
        cdef ssize_t count
        cdef int error
        if self.closing:
            return 0
        if self.paused:
            return 0 if self.unpolled else self.loop.poller.poll_remove(self.connection)
        buf = self.loop.shared_buffer()
        count = read(self.fd, buf, RECEIVE_BYTES)
        error = errno
        if count <= 0:
            return self.nothing_received(count, error)
        self.loop.received_bytes += count
        if self.unpolled:
            self.loop.post(&self.connection.read)
        return self.call_reported("data_received", (PyBytes_FromStringAndSize(buf, count),))

    cdef int nothing_received(self, ssize_t count, int error) except -1:
        """A read returned 0 (all other ends are closed) or -1 (error is its errno)."""
        if count == 0:
            if self.loop.debugging:
                logger.info("%r was closed by peer", self)
            return self.end()
        if error == EAGAIN or error == EINTR:
            return 0
        return self.fatal_error(os_error(error, None), "Fatal read error on pipe transport")

    cdef int end(self) except -1:
        """The pipe has ended: eof_received() and connection_lost() follow in the next turn."""
        self.closing = True
        self.lost_count += 1
        self.schedule_lost(None)
        self.connection.read.handler = pipe_ended
        return 0

    cdef bint is_expected(self, exc) except -1:
        """EIO means that the other end of a terminal is closed."""
        return isinstance(exc, OSError) and exc.errno == EIO


cdef int pipe_read(Event* ev) except -1:
    cdef ReadPipeTransport transport = <ReadPipeTransport>ev.data
    return transport.read_ready()


cdef int pipe_ended(Event* ev) except -1:
    cdef ReadPipeTransport transport = <ReadPipeTransport>ev.data
    try:
        transport.call_reported("eof_received", ())
    finally:
        if transport.connection != NULL:  # the protocol may have closed a loop stepped by hand
            transport.lose()
    return 0


def connect_read_pipe(Reactor loop not None, pipe, protocol, extra, context):
    """Return a transport that reads from pipe, an object with fileno() and close(), and owns it.

    Args:
        extra: further answers of get_extra_info(), a dict or None.
        context: the contextvars.Context of every call to the protocol; by default a copy of the
            current one.

    Raises:
        ValueError: pipe is a regular file or something else that no transport can read.
    """
    cdef ReadPipeTransport transport = ReadPipeTransport.__new__(ReadPipeTransport)
    transport.open_pipe(
        loop, pipe, protocol, extra, context, "Pipe transport is for pipes/sockets only."
    )
    return transport
