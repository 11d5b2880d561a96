"""WritePipeTransport: the end of a pipe that is written.

Rules. Every write() goes to the kernel at once, unless something waits: a line for the standard
output must not be overtaken by a print(), and up to PIPE_BUF bytes of one write() stay in one
piece. When the reader closes, a FIFO or socket is lost at once, with BrokenPipeError if output
waited; a socket that sends us something counts as closed, too, as in asyncio. Closing sends what
waits.
"""

cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE

import asyncio
import logging
from asyncio import transports

from ngxloop.core.event cimport Event
from ngxloop.core.limits cimport LOST_WRITES_LOGGED
from ngxloop.core.linux cimport EPOLLET, EPOLLIN, EPOLLRDHUP
from ngxloop.core.oserr cimport os_error
from ngxloop.core.reactor cimport Reactor
from ngxloop.transports.pipe cimport PipeTransport
from ngxloop.transports.writing cimport Writer, copied

logger = logging.getLogger("asyncio")


class _PublicTransport(transports._FlowControlMixin, asyncio.WriteTransport):
    """What a WritePipeTransport appears to be: isinstance() checks __class__."""


@cython.final
cdef class WritePipeTransport(PipeTransport):
    """The writing end of a pipe; see the file header."""

    def __cinit__(self, *args, **kwargs):
        self.writer = Writer.__new__(Writer)
        self.writer.to_pipe = True

    @property
    def __class__(self):
        return _PublicTransport

    def _repr_more(self):
        if self.pipe is None:
            return ""
        return f" {'polling' if self.writer.blocked else 'idle'} bufsize={self.writer.size}"

    def write(self, data):
        """Write data; never blocks.

        Args:
            data: bytes, which are kept until written; or a bytearray or memoryview, which are
                copied.

        Raises:
            TypeError: data is none of these.
        """
        self.write_bytes(data if type(data) is bytes else copied(data))

    def writelines(self, list_of_data):
        """Write several pieces as one; see write."""
        self.write_bytes(b"".join(list_of_data))

    def write_eof(self):
        """Close, once what is buffered is written: the end of a pipe is its closing."""
        self.end_output()

    def can_write_eof(self):
        """Return True."""
        return True

    def close(self):
        """Write what is buffered, then close; connection_lost(None) follows, never from in here."""
        self.end_output()

    def get_write_buffer_size(self):
        """Return how many bytes wait because the kernel takes no more."""
        return self.writer.size

    # ---- what asyncio's class has as well: callable, and refused as in asyncio

    def is_reading(self):
        """Raise NotImplementedError: nothing is read."""
        raise NotImplementedError

    def pause_reading(self):
        """Raise NotImplementedError: nothing is read."""
        raise NotImplementedError

    def resume_reading(self):
        """Raise NotImplementedError: nothing is read."""
        raise NotImplementedError

    @property
    def _buffer(self):
        """What waits to be written, as bytes."""
        return self.writer.content()

    cdef int start(self) except -1:
        """Call connection_made(), then watch for the reader's end (the first event of the slot)."""
        if not self.begin():
            return 0
        self.connection.read.handler = pipe_closed
        self.connection.read.active = self.is_fifo() or self.is_socket()
        # a FIFO's EPOLLERR and a terminal's EPOLLHUP are always reported
        self.watch(EPOLLIN | EPOLLRDHUP | EPOLLET if self.is_socket() else EPOLLET)
        if self.connection != NULL and not self.unpolled:
            self.writer.watch_again(self)
        return 0

    cdef int write_bytes(self, bytes data) except -1:
        if PyBytes_GET_SIZE(data) == 0:
            return 0
        if self.closing:
            if self.refused_count >= LOST_WRITES_LOGGED:
                logger.warning("pipe closed by peer or os.write(pipe, data) raised exception.")
            self.refused_count += 1
            return 0
        self.writer.append(data)
        self.writer.flush(self)
        if self.writer.size > self.high_bytes:
            self.pause_protocol()
        return 0

    cdef int peer_closed(self) except -1:
        """The reader has closed the pipe (the read event of the slot)."""
        if self.loop.debugging:
            logger.info("%r was closed by peer", self)
        self._force_close(BrokenPipeError() if self.writer.size else None)
        return 0

    cdef int end_output(self) except -1:
        if self.closing:
            return 0
        self.closing = True
        if self.connection == NULL:
            raise RuntimeError("Event loop is closed")
        if self.writer.size == 0:
            self.lost_count += 1
            self.schedule_lost(None)
        return 0

    cdef Py_ssize_t buffered_bytes(self) noexcept:
        return self.writer.size

    cdef int drop_output(self) except -1:
        return self.writer.drop()

    cdef int send_failed(self, int error) except -1:
        self.refused_count += 1
        return self.fatal_error(os_error(error, None), "Fatal write error on pipe transport")


cdef int pipe_closed(Event* ev) except -1:
    cdef WritePipeTransport transport = <WritePipeTransport>ev.data
    return transport.peer_closed()


cdef int pipe_write(Event* ev) except -1:
    """The kernel takes more."""
    cdef WritePipeTransport transport = <WritePipeTransport>ev.data
    ev.active = 0
    transport.writer.unblock()
    return transport.writer.flush(transport)


def connect_write_pipe(Reactor loop not None, pipe, protocol, extra, context):
    """Return a transport that writes to pipe, an object with fileno() and close(), and owns it.

    Args:
        extra: further answers of get_extra_info(), a dict or None.
        context: the contextvars.Context of every call to the protocol; by default a copy of the
            current one.

    Raises:
        ValueError: pipe is a regular file or something else that no transport can write.
    """
    cdef WritePipeTransport transport = WritePipeTransport.__new__(WritePipeTransport)
    transport.open_pipe(
        loop,
        pipe,
        protocol,
        extra,
        context,
        "Pipe transport is only for pipes, sockets and character devices",
    )
    transport.connection.write.handler = pipe_write
    return transport
