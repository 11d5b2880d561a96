"""Lingering: the end of a connection whose peer may still be sending.

close() with unread bytes in the kernel's buffer makes it send a reset, which destroys what the peer
has not read yet: the answer that says why nothing more is read (RFC 9112 9.6). So our half is ended
once the output is sent, and what the peer sends is received and dropped: until it ends, nothing has
come for a while, or the whole takes too long or is too much. Model: ngx_http_set_lingering_close().

Rules. The transport is closing: nothing is delivered any more, connection_lost() comes at the end.
Until the output is sent there is no time-out here, as for close(). The transport and its Lingering
refer to each other until the connection is lost.
"""

cimport cython
from libc.errno cimport EAGAIN, EINTR, errno

from libc.stdint cimport INT64_MAX, int64_t

from ngxloop.core.clock cimport ns_from_seconds
from ngxloop.core.limits cimport RECEIVE_BYTES
from ngxloop.core.linux cimport SHUT_WR, recv, shutdown
from ngxloop.core.timed cimport Timed
from ngxloop.transports.idling cimport idle_add
from ngxloop.transports.transport cimport Transport


@cython.final
cdef class Lingering(Timed):
    """How one transport lingers; see the file header."""

    cdef int output_sent(self) except -1:
        """End our half, and count the time from now on."""
        cdef int64_t now_ns = self.now_ns(self.transport.loop)
        self.shut = True
        if self.peer_ended or shutdown(self.transport.fd, SHUT_WR) != 0:  # ENOTCONN: a reset
            return self.end()
        self.end_ns = now_ns + self.total_ns
        self.deadline_set(self.transport.loop, min(now_ns + self.quiet_ns, self.end_ns))
        return idle_add(self.transport.loop, self.transport.connection)

    cdef int receive(self) except -1:
        """Receive once and drop it."""
        cdef Transport transport = self.transport
        cdef char* buf
        cdef ssize_t count
        try:
            buf = transport.loop.shared_buffer()
        except MemoryError:
            return self.end()
        count = recv(transport.fd, buf, RECEIVE_BYTES, 0)
        if count > 0:
            transport.loop.received_bytes += count
            self.bytes_left -= count
            if self.bytes_left < 0:
                return self.end()
            if self.shut:
                self.deadline_ns = min(self.now_ns(transport.loop) + self.quiet_ns, self.end_ns)
        elif count < 0 and errno == EAGAIN:
            transport.connection.read.ready = 0
            return 0
        elif count == 0 or errno != EINTR:
            return self.receive_ended(count == 0)
        if count == RECEIVE_BYTES or count < 0 or transport.connection.read.drain:
            transport.loop.post(&transport.connection.read)
        else:
            transport.connection.read.ready = 0
        return 0

    cdef int receive_ended(self, bint orderly) except -1:
        """The peer has ended its half, or has reset the connection."""
        self.peer_ended = True
        self.transport.connection.read.active = 0
        if self.shut or not orderly:
            return self.end()
        return 0

    cdef int deadline_passed(self) except -1:
        return self.end()

    cdef int end(self) except -1:
        """Close: connection_lost(None) comes in the next turn."""
        cdef Transport transport = self.transport
        self.deadline_stop()
        if transport is not None:
            transport._force_close(None)
        return 0


cdef Lingering lingering_new(
    Transport transport, double quiet_seconds, double total_seconds, int64_t bytes_max
):
    """Return how a transport, which stops delivering, is to linger."""
    cdef Lingering lingering = Lingering.__new__(Lingering)
    lingering.transport = transport
    lingering.quiet_ns = ns_from_seconds(quiet_seconds)
    lingering.total_ns = ns_from_seconds(total_seconds)
    lingering.bytes_left = bytes_max if bytes_max > 0 else INT64_MAX
    return lingering
