"""Writer: the writing half of a stream or pipe: when its output leaves, and what follows then.

Rules. With nothing before it, data goes to the kernel in the call that wrote it, from any thread,
and only what the kernel did not take is kept. A send that fails ends the connection in a later
turn: the protocol is not called from inside write(), except pause_writing(), as in asyncio.

While the loop is joining (set_write_coalescing()), what is written in a turn leaves in one call:
when the read handler returns, else at the end of the turn, at once above FLUSH_BYTES or the
high-water mark. Everything that shows the buffer or ends the connection flushes first.

A Writer is part of its transport, which makes it for the first write: a connection that only reads
has no writer. The transport passes itself to each call, so that no reference back is needed.
"""

cimport cython
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from libc.errno cimport EAGAIN, EINTR, errno

from ngxloop.core.completion cimport complete, complete_failed
from ngxloop.core.event cimport Connection
from ngxloop.core.limits cimport FLUSH_BYTES
from ngxloop.core.linux cimport EPOLLOUT, MSG_NOSIGNAL, SHUT_WR, iovec, send, shutdown
from ngxloop.core.oserr cimport os_error
from ngxloop.core.ready cimport event_post, event_unpost
from ngxloop.transports.outbuf cimport (
    SEND_FAILED,
    SENT_ALL,
    OutBuffer,
    SendOutcome,
    send_vector,
)
from ngxloop.transports.transport cimport Transport


@cython.final
cdef class Writer(OutBuffer):
    """The output of one transport; see the file header."""

    cdef int send_now(self, Transport transport, bytes data) except -1:
        """Send data to a socket that is not lost, with nothing before it; keep what is left."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef ssize_t count = send(transport.fd, PyBytes_AS_STRING(data), size, MSG_NOSIGNAL)
        cdef int error = errno
        if count == size:
            transport.loop.sent_bytes += size
            return 0
        if count < 0 and error != EAGAIN and error != EINTR:
            return transport.send_failed(error)
        self.append(data)
        if count >= 0:
            transport.loop.sent_bytes += count
            self.consume(count)
        elif error == EAGAIN:
            self.wait_writable(transport)
        return self.send_soon(transport)  # until EAGAIN: only then does epoll report OUT again

    cdef int send_memory(
        self, Transport transport, const char* data, Py_ssize_t size
    ) except -1:
        """Do what send_now() does, or wait behind other output; what is left is copied."""
        cdef ssize_t count
        if self.size == 0 and not transport.loop.joining:
            count = send(transport.fd, data, size, MSG_NOSIGNAL)
            return self.keep_rest(transport, data, size, count, errno)
        self.append(PyBytes_FromStringAndSize(data, size))
        return self.send_soon(transport)

    cdef int keep_rest(
        self, Transport transport, const char* data, Py_ssize_t size, ssize_t count, int error
    ) except -1:
        """Copy what a send() has not taken, which returned count, or -1 with this error."""
        if count < 0 and error != EAGAIN and error != EINTR:
            return transport.send_failed(error)
        if count > 0:
            transport.loop.sent_bytes += count
            data += count
            size -= count
        if size == 0:
            return 0
        self.append(PyBytes_FromStringAndSize(data, size))
        if count < 0 and error == EAGAIN:
            self.wait_writable(transport)
        return self.send_soon(transport)

    cdef bint is_needed(self) noexcept:
        """Return whether there is more to remember than that nothing waits."""
        return (
            self.size != 0
            or self.flush_depth
            or self.blocked
            or self.ending
            or self.ended
            or self.empty_waiter is not None
            or self.writable_waiter is not None
        )

    cdef int send_around(self, Transport transport, iovec* parts, bytes data) except -1:
        """Do what send_memory() does with three pieces, of which the second is that of data."""
        cdef ssize_t total = parts[0].iov_len + parts[1].iov_len + parts[2].iov_len
        cdef ssize_t count = 0
        cdef int error = 0
        if self.size == 0 and not transport.loop.joining:
            count = send_vector(transport.fd, parts, 3)
            if count < 0:
                error = errno
                if error != EAGAIN and error != EINTR:
                    return transport.send_failed(error)
                count = 0
            transport.loop.sent_bytes += count
            if count == total:
                return 0
        if parts[0].iov_len:
            self.append(PyBytes_FromStringAndSize(<char*>parts[0].iov_base, parts[0].iov_len))
        self.append(data)
        if parts[2].iov_len:
            self.append(PyBytes_FromStringAndSize(<char*>parts[2].iov_base, parts[2].iov_len))
        self.consume(count)
        if error == EAGAIN:
            self.wait_writable(transport)
        return self.send_soon(transport)

    cdef int postpone(self, Transport transport, bytes data) except -1:
        """Let data wait for more output of this turn, as set_write_coalescing() does for all."""
        self.append(data)
        if self.blocked or self.size > transport.high_bytes or self.size > FLUSH_BYTES:
            return self.send_soon(transport)
        if not transport.connection.write.posted:
            event_post(&transport.loop.flushes, &transport.connection.write)
        return 0

    cdef int send_soon(self, Transport transport) except -1:
        """Send what was appended, as far as the kernel takes it; the transport is not lost."""
        if not self.blocked:
            if (
                transport.loop.joining
                and self.size <= transport.high_bytes
                and self.size <= FLUSH_BYTES
            ):
                if not transport.connection.write.posted:
                    event_post(&transport.loop.flushes, &transport.connection.write)
                return 0
            self.flush(transport)
        if self.size > transport.high_bytes and not transport.closing:
            transport.pause_protocol()
        return 0

    cdef int flush(self, Transport transport) except -1:
        """Send what waits, as far as the kernel takes it.

        The protocol may be called, and turn the loop: the writer must not be dropped meanwhile.
        """
        self.flush_depth += 1
        try:
            return self.send_waiting(transport)
        finally:
            self.flush_depth -= 1

    cdef int send_waiting(self, Transport transport) except -1:
        cdef SendOutcome outcome
        cdef Py_ssize_t size = self.size
        cdef Connection* connection = transport.connection
        if connection == NULL or self.blocked:
            return 0  # blocked: a posted event is the kernel's, and must not get lost
        if connection.write.posted:
            event_unpost(&connection.write)
        if size == 0:
            return 0
        outcome = self.send(transport.fd)
        transport.loop.sent_bytes += size - self.size
        if outcome == SENT_ALL:
            if (
                transport.protocol_paused
                or transport.closing
                or self.ended
                or self.empty_waiter is not None
            ):
                return self.all_sent(transport)
            return 0
        if outcome == SEND_FAILED:
            return transport.send_failed(self.error)
        self.wait_writable(transport)
        return transport.resume_protocol()

    cdef int unblock(self) except -1:
        """The kernel reported OUT: the next flush may send."""
        self.blocked = False
        return complete(self.writable_waiter, None)

    cdef int watch_again(self, Transport transport) except -1:
        """The fd has just been registered: request OUT if output waits for it."""
        if self.blocked:  # connection_made() wrote more than the kernel takes
            self.wait_writable(transport)
        return 0

    cdef int wait_writable(self, Transport transport) except -1:
        """The kernel's buffer is full: continue when it reports OUT, which is requested now."""
        cdef Connection* connection = transport.connection
        self.blocked = True
        connection.write.active = 1
        if connection.interest and not connection.interest & EPOLLOUT:
            try:
                transport.loop.poller.poll_modify(connection, connection.interest | EPOLLOUT)
            except OSError as exc:  # it would block for ever
                return transport.send_failed(exc.errno)
        return 0

    cdef int all_sent(self, Transport transport) except -1:
        """Do what had to wait for the output to leave."""
        if transport.protocol_paused:
            transport.resume_protocol()  # may write, close, anything
            if transport.connection == NULL or self.size:
                return 0
        complete(self.empty_waiter, None)
        if transport.closing:
            transport.close_sent()
        elif self.ended:
            self.shut_down(transport)
        return 0

    cdef int end(self, Transport transport) except -1:
        """End our half of the connection once the output has left."""
        self.ended = self.ending = True
        try:
            if self.size == 0:
                return self.shut_down(transport)
            return self.flush(transport)
        finally:
            self.ending = False

    cdef int shut_down(self, Transport transport) except -1:
        """Send the end of our half; a failure (ENOTCONN: the peer has reset) closes nothing.

        As in asyncio write_eof() raises it, or it is reported if the output had to wait.
        """
        cdef object exc
        if shutdown(transport.fd, SHUT_WR) == 0:
            return 0
        exc = os_error(errno, None)
        if self.ending:
            raise exc
        transport.loop.call_exception_handler({
            "message": "shutdown() failed; the end of our half is not sent",
            "exception": exc,
            "transport": transport,
            "protocol": transport.get_protocol(),
        })
        return 0

    cdef int drop(self) except -1:
        """Forget what is not sent: the connection is lost."""
        cdef object exc
        self.clear()
        if self.empty_waiter is not None:
            exc = ConnectionError("Connection is closed by peer")
            complete_failed(self.empty_waiter, exc)
            complete_failed(self.writable_waiter, exc)
        return 0

    cdef object make_empty_waiter(self, Transport transport):
        """Return a future that is done when everything is sent."""
        if self.empty_waiter is not None:
            raise RuntimeError("Empty waiter is already set")
        self.flush(transport)
        self.empty_waiter = transport.loop.create_future()
        if self.size == 0:
            self.empty_waiter.set_result(None)
        return self.empty_waiter

    cdef object make_writable_waiter(self, Transport transport):
        """Return a future that is done when the kernel, which was full, takes more."""
        self.writable_waiter = transport.loop.create_future()
        self.wait_writable(transport)
        return self.writable_waiter

    cdef int refuse_write(self) except -1:
        """Raise what write() raises while nothing may be written."""
        if self.ended:
            raise RuntimeError("Cannot call write() after write_eof()")
        raise RuntimeError("unable to write; sendfile is in progress")

    cdef bytes content(self):
        """Return what waits to be sent, joined."""
        if self.head is None:
            return b""
        rest = self.rest[self.first:] if self.rest is not None else []
        return b"".join([self.head[self.offset:], *rest])


cdef bytes copied(data):
    """Return the content of a mutable buffer; raise asyncio's error for other objects."""
    if not isinstance(data, (bytes, bytearray, memoryview)):
        raise TypeError(
            f"data argument must be a bytes-like object, not {type(data).__name__!r}"
        )
    return bytes(data)
