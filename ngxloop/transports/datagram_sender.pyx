"""DatagramSender: the sending half of an endpoint for datagrams.

Rules. With nothing before it, a datagram goes to the kernel in the call, from any thread, and an
error is passed to error_received() from inside sendto(). What a protocol sends while further
received datagrams wait to be delivered to it is joined: it leaves by sendmmsg() when the last one
is delivered, or when there are SEND_DATAGRAM_COUNT. Errors go to error_received() and close
nothing; an error of one datagram does not affect the others.

While the loop is joining (set_write_coalescing()), this holds for what follows the first datagram
of a turn, too, until the turn ends. Everything that shows the buffer or ends the endpoint sends
first.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.errno cimport EAGAIN, EINTR, errno
from libc.stdint cimport uint64_t

import logging
import sys
from functools import partial

from ngxloop.core.address_cache cimport CachedAddress, name_of_address
from ngxloop.core.event cimport Connection, Event
from ngxloop.core.handle cimport call_within
from ngxloop.core.limits cimport (
    FLUSH_BYTES,
    LOST_WRITES_LOGGED,
    SEND_DATAGRAM_COUNT,
    UNIX_RETRY_MS,
)
from ngxloop.core.linux cimport (
    AF_UNIX,
    EPOLLOUT,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    sendto,
    sockaddr,
    sockaddr_storage,
    socklen_t,
)
from ngxloop.core.oserr cimport os_error
from ngxloop.core.ready cimport event_post, event_unpost
from ngxloop.core.sockaddr cimport address_fill
from ngxloop.transports.datagram_outbox cimport (
    OUTBOX_BLOCKED,
    OUTBOX_EMPTY,
    OUTBOX_REFUSED,
    DatagramOutbox,
    OutboxState,
)
from ngxloop.transports.socket_transport cimport SocketTransport

logger = logging.getLogger("asyncio")

# The number of no turn.
cdef uint64_t NO_TURN = <uint64_t>-1

# Before 3.13 an empty datagram is not sent.
cdef bint SENDS_EMPTY = sys.version_info >= (3, 13)


cdef class DatagramSender(SocketTransport):
    """The base of DatagramTransport; see the file header."""

    def __cinit__(self, *args, **kwargs):
        self.outbox = DatagramOutbox.__new__(DatagramOutbox)
        self.sent_turn = NO_TURN

    def sendto(self, data, addr=None):
        """Send a datagram; never blocks.

        Args:
            data: bytes, which are kept until sent; or a bytearray or memoryview, which are copied.
            addr: where to; None for the remote address of the endpoint. A host name is resolved at
                once, blocking the loop.

        Raises:
            TypeError: data is none of these.
            ValueError: the endpoint has a remote address, and addr is another one.

        Notes:
            An error of the network goes to the protocol's error_received(); what that raises for
            this datagram, sendto() raises.
        """
        if type(data) is not bytes and not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError(
                f"data argument must be a bytes-like object, not {type(data).__name__!r}"
            )
        if not SENDS_EMPTY and not data:
            return
        if self.address is not None:
            if addr is not None and addr != self.address:
                raise ValueError(f"Invalid address: must be None or {self.address}")
            addr = self.address
        self.send_bytes(data if type(data) is bytes else bytes(data), addr)

    def get_write_buffer_size(self):
        """Return what the kernel has not taken yet: the datagrams' bytes, since 3.13 and 8 each."""
        self.flush()
        return self.outbox.size

    def close(self):
        """Close once what waits is sent; connection_lost(None) comes in a later turn."""
        if self.closing:
            return
        if self.connection == NULL:
            raise RuntimeError("Event loop is closed")
        self.flush()
        if self.closing:  # the protocol was called with an error, and has closed
            return
        self.closing = True
        self.connection.read.active = 0
        if self.outbox.count == 0:
            self.lost_count += 1
            self.schedule_lost(None)

    @property
    def _address(self):
        return self.address

    # ---- sending

    cdef int send_bytes(self, bytes data, address) except -1:
        """Send at once, or queue what is part of a burst."""
        if self.lost_count:
            return self.send_late(data, address)
        if self.connection == NULL:
            raise RuntimeError("Event loop is closed")
        if self.peer_named:
            address = None
        if self.outbox.count or self.sending or self.more_to_deliver:
            return self.append(data, address)
        if self.loop.joining:
            if self.sent_turn == self.loop.turn_count:
                return self.append(data, address)
            self.sent_turn = self.loop.turn_count
        return self.send_now(data, address)

    cdef int send_now(self, bytes data, address) except -1:
        """Send one datagram, with nothing before it; one that the kernel does not take waits."""
        cdef sockaddr_storage storage
        cdef void* name = NULL
        cdef socklen_t size = 0
        cdef ssize_t sent
        cdef CachedAddress* cached
        if address is not None or not self.connected:
            cached = name_of_address(address)
            if cached != NULL and cached.name.sin6_family == self.family:
                name = &cached.name
                size = cached.size
            else:
                name = &storage
                size = address_fill(self.family, address, &storage)
            if size == 0:
                if self.send_resolved(data, address, True):
                    return 0
                return self.keep_datagram(data, address)
        while True:
            sent = sendto(
                self.fd,
                PyBytes_AS_STRING(data),
                PyBytes_GET_SIZE(data),
                MSG_DONTWAIT | MSG_NOSIGNAL,
                <sockaddr*>name,
                size,
            )
            if sent >= 0:
                self.loop.sent_bytes += sent
                return 0
            if errno != EINTR:
                break
        if errno != EAGAIN:
            call_within(self.context, partial(self.protocol.error_received, os_error(errno, None)))
            return 0
        return self.keep_datagram(data, address)

    cdef int keep_datagram(self, bytes data, address) except -1:
        """The kernel takes no more: queue a datagram, unless the endpoint is closed."""
        if self.lost_count:
            return self.send_lost()
        self.wait_writable()
        return self.append(data, address)

    cdef bint send_resolved(self, bytes data, address, bint in_call) except -1:
        """Send one datagram by the socket module; so errors of a wrong address are asyncio's.

        Args:
            in_call: whether sendto() is to raise what error_received() raises.

        Returns:
            False if the kernel takes no more now.
        """
        cdef object error = None
        try:
            self.loop.sent_bytes += self.sock.sendto(data, address)
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as exc:
            error = exc
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.fatal_error(exc, "Fatal write error on datagram transport")
        if error is None:
            return True
        if in_call:
            call_within(self.context, partial(self.protocol.error_received, error))
        else:
            self.tell_error(error)
        return True

    cdef int append(self, bytes data, address) except -1:
        """Queue a datagram; send what waits unless it is to be joined with more."""
        cdef DatagramOutbox outbox = self.outbox
        outbox.append(data, address)
        if self.sending:
            return 0  # flush() checks again
        if not self.blocked:
            if (
                (self.more_to_deliver or self.loop.joining)
                and outbox.count < SEND_DATAGRAM_COUNT
                and outbox.size <= FLUSH_BYTES
                and outbox.size <= self.high_bytes
            ):
                if not self.connection.write.posted:
                    event_post(&self.loop.flushes, &self.connection.write)
                return 0
            self.flush()
        if outbox.size > self.high_bytes and not self.closing:
            self.pause_protocol()
        return 0

    cdef int flush(self) except -1:
        """Send what waits, as far as the kernel takes it (the write event of the slot)."""
        if self.connection == NULL or self.blocked or self.sending or self.outbox.count == 0:
            return 0  # blocked: a posted event is the kernel's, and must not get lost
        if self.connection.write.posted:
            event_unpost(&self.connection.write)
        self.sending = True
        try:
            self.flush_some()
        finally:
            self.sending = False
        return self.after_flush()

    cdef int flush_some(self) except -1:
        """Send what waits now; what error_received() keeps adding is left to the next turn."""
        cdef DatagramOutbox outbox = self.outbox
        cdef OutboxState state
        for _ in range(outbox.count):  # each time around takes one out at least
            state = outbox.send(self.fd, self.family, self.connected)
            self.loop.sent_bytes += outbox.sent_bytes
            if state == OUTBOX_EMPTY:
                return 0
            if state == OUTBOX_BLOCKED:
                return self.wait_writable()
            if state == OUTBOX_REFUSED:
                self.tell_error(os_error(outbox.error, None))
            else:
                data, address = outbox.take()
                if not self.send_resolved(data, address, False):
                    outbox.put_back(data, address)
                    return self.wait_writable()
            if self.connection == NULL or self.lost_count:
                return 0
        if outbox.count:
            self.loop.post(&self.connection.write)
        return 0

    cdef int after_flush(self) except -1:
        """Do what had to wait for datagrams to leave."""
        if self.connection == NULL or self.lost_count:
            return 0
        if self.outbox.size > self.high_bytes and not self.closing:
            self.pause_protocol()
        else:
            self.resume_protocol()  # may send, close, anything
        if self.closing and self.outbox.count == 0 and not self.lost_count:
            self.lost_count += 1
            self.schedule_lost(None)
        return 0

    cdef int wait_writable(self) except -1:
        """The kernel takes no more: continue when it reports OUT, which is requested from now on.

        It never does for a Unix receiver with a full queue, unless the socket is connected to it.
        """
        cdef Connection* connection = self.connection
        self.blocked = True
        if self.family == AF_UNIX and not self.connected:
            self.loop.call_later(UNIX_RETRY_MS / 1000.0, self._send_again)
            return self.loop.waker.wake()  # a thread may be the sender
        connection.write.active = 1
        if connection.interest and not connection.interest & EPOLLOUT:
            try:
                self.loop.poller.poll_modify(connection, connection.interest | EPOLLOUT)
            except OSError as exc:  # it would block for ever
                return self.fatal_error(exc, "Fatal write error on datagram transport")
        return 0

    def _send_again(self):
        """The timer of wait_writable() is over."""
        self.blocked = False
        self.flush()

    cdef int send_late(self, bytes data, address) except -1:
        """Send after close(): without a remote address that is possible until connection_lost()."""
        if self.address is not None or self.connection == NULL:
            return self.send_lost()
        return self.send_now(data, None if self.peer_named else address)

    cdef int send_lost(self) except -1:
        """A datagram for an endpoint that is gone is dropped, as asyncio does with a remote one."""
        if self.lost_count >= LOST_WRITES_LOGGED:
            logger.warning("socket.send() raised exception.")
        self.lost_count += 1
        return 0

    cdef int tell_error(self, exc) except -1:
        """Call error_received(), which may be inside another call to the protocol."""
        cdef object callback = None
        try:
            callback = self.protocol.error_received
            call_within(self.context, partial(callback, exc))
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as failure:
            self.loop._report_protocol_failure(self, callback, (exc,), failure)
        return 0

    # ---- what the base classes ask for

    cdef Py_ssize_t buffered_bytes(self) noexcept:
        return self.outbox.size

    cdef int limits_changed(self) except -1:
        self.flush()
        return SocketTransport.limits_changed(self)

    cdef int send_output(self) except -1:
        return self.flush()

    cdef int drop_output(self) except -1:
        return self.outbox.clear()


cdef int datagram_write(Event* ev) except -1:
    """The kernel takes more, or the turn ends in which datagrams are joined."""
    cdef DatagramSender transport = <DatagramSender>ev.data
    if ev.active:
        transport.blocked = False
        ev.active = 0
    return transport.flush()
