"""DatagramTransport: an endpoint that receives datagrams, and by its base class sends them.

The fd is registered once, edge-triggered; pausing and resuming are flags. One recvmmsg()
per event and turn into memory that the loop's endpoints share; if it was full, the event is posted
again behind the others. A protocol that pauses in the middle gets the rest when it resumes. An
error, such as an ICMP message about a closed port, goes to error_received() and closes
nothing.
"""

cimport cython
from cpython.bytes cimport PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_CopyCurrent
from cpython.object cimport PyObject
from libc.errno cimport EAGAIN, EINTR, errno

import asyncio
from asyncio import transports

from ngxloop.core.event cimport Connection, Event
from ngxloop.core.handle cimport context_enter, raise_pending
from ngxloop.core.limits cimport RECEIVE_BYTES, RECEIVE_DATAGRAM_COUNT
from ngxloop.core.linux cimport (
    AF_INET,
    AF_INET6,
    AF_UNIX,
    EPOLLET,
    EPOLLIN,
    SOCK_DGRAM,
    SOCK_RAW,
)
from ngxloop.core.oserr cimport os_error
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.unchecked cimport (
    PyContext_Exit,
    PyObject_VectorcallMethod,
    discard,
)
from ngxloop.core.watch cimport socket_to_fd
from ngxloop.transports.datagram_inbox cimport DatagramInbox, inbox_get
from ngxloop.transports.datagram_sender cimport DatagramSender, datagram_write
from ngxloop.transports.transport cimport transport_start


class _PublicTransport(
    transports._FlowControlMixin, asyncio.Transport, asyncio.DatagramTransport
):
    """What a DatagramTransport appears to be: isinstance() checks __class__."""


@cython.final
cdef class DatagramTransport(DatagramSender):
    """A UDP or Unix endpoint, or one of another family; see the file header."""

    max_size = RECEIVE_BYTES

    def __init__(self):
        raise TypeError("transports are made by create_datagram_endpoint()")

    @property
    def __class__(self):
        return _PublicTransport

    def __repr__(self):
        state = "closed" if self.fd < 0 else "closing" if self.closing else "open"
        text = f"<ngxloop.DatagramTransport {state} fd={self.fd}"
        if self.fd >= 0:
            text += f" read={'paused' if self.paused else 'polling'}"
            text += f" write=<{'polling' if self.blocked else 'idle'}, "
            text += f"bufsize={self.outbox.size}>"
        return text + ">"

    # ---- reading

    def set_protocol(self, protocol):
        """Give the endpoint to another protocol, at any time."""
        self.protocol = protocol

    # ---- what asyncio.Transport has and datagrams do not: callable, and refused as in asyncio

    def write(self, data):
        """Raise NotImplementedError: datagrams are sent by sendto()."""
        raise NotImplementedError

    def writelines(self, list_of_data):
        """Raise NotImplementedError: datagrams are sent by sendto()."""
        raise NotImplementedError

    def write_eof(self):
        """Raise NotImplementedError: datagrams have no end."""
        raise NotImplementedError

    def can_write_eof(self):
        """Raise NotImplementedError: datagrams have no end."""
        raise NotImplementedError

    # ---- life

    cdef int start(self) except -1:
        """Call connection_made(), then receive (the first event of the slot)."""
        if not self.begin():
            return 0
        self.connection.read.handler = datagram_read
        self.connection.read.active = not self.paused and not self.closing
        try:
            self.loop.poller.poll_add(self.connection, EPOLLIN | EPOLLET)
        except OSError as exc:  # the fd was closed by others
            return self.fatal_error(exc, "Fatal error: the socket cannot be watched.")
        if self.blocked:  # connection_made() sent more than the kernel takes
            self.wait_writable()
        return 0

    cdef int reading_resumed(self) except -1:
        DatagramSender.reading_resumed(self)
        if self.kept is not None:
            self.loop.post(&self.connection.read)
        return 0

    # ---- the read event

    cdef int read_ready(self) except -1:
        if self.paused or self.closing:
            return 0  # ready stays set for resume_reading()
        if self.kept is not None:
            self.deliver_kept()
        elif self.plain:
            self.receive()
        else:
            self.receive_other()
        if self.outbox.count and not self.blocked:
            self.flush()
        return 0

    cdef int receive(self) except -1:
        """Receive what has come, up to a budget, and deliver it."""
        cdef DatagramInbox inbox = inbox_get(self.loop, self.family)
        cdef Connection* connection = self.connection
        cdef unsigned int wanted = min(self.receive_count, inbox.capacity)
        cdef int count = inbox.receive(self.fd, wanted)
        if count < 0:
            return self.receive_failed(errno)
        wanted = min(wanted, inbox.capacity)  # smaller without recvmmsg()
        if self.has_end and inbox.headers[0].msg_len == 0:
            connection.read.ready = 0
        elif <unsigned int>count == wanted or connection.read.drain:  # drain: an error is behind it
            connection.read.drain = 0
            self.loop.post(&connection.read)
        else:
            connection.read.ready = 0
        inbox.lent = True
        try:
            self.deliver(inbox, count)
        finally:
            inbox.lent = False
        return 0

    cdef int receive_other(self) except -1:
        """Receive one datagram by the socket module, which can read all addresses; deliver it."""
        try:
            data, address = self.sock.recvfrom(RECEIVE_BYTES)
        except OSError as exc:
            return self.receive_failed(exc.errno)
        self.loop.post(&self.connection.read)
        return self.deliver_one(data, address)

    cdef int receive_failed(self, int error) except -1:
        """There is nothing to receive, or an error to report to the protocol.

        Datagrams may be behind an error. If it was there when the kernel reported the event,
        drain is set; one that came later is reported by an event of its own.
        """
        cdef Connection* connection = self.connection
        if connection.read.drain or error == EINTR:
            connection.read.drain = 0
            self.loop.post(&connection.read)
        else:
            connection.read.ready = 0
        if error != EAGAIN and error != EINTR:
            self.tell_error(os_error(error, None))
        return 0

    cdef int deliver(self, DatagramInbox inbox, unsigned int count) except -1:
        """Pass received datagrams to the protocol, until it closes or pauses."""
        cdef object context = self.context
        cdef unsigned int i = 0
        cdef bint entered = context_enter(context)
        try:
            while i < count:
                i += 1
                self.more_to_deliver = i < count
                self.call_received(inbox.data(i - 1), inbox.address(i - 1))
                if self.paused or self.closing:
                    break
        finally:  # SystemExit, KeyboardInterrupt: the others are delivered when the loop continues
            if entered:
                PyContext_Exit(context)
            self.more_to_deliver = False
            if i < count and not self.closing:
                self.keep(inbox, i, count)
        return 0

    cdef int keep(self, DatagramInbox inbox, unsigned int first, unsigned int count) except -1:
        """Keep datagrams that cannot be delivered now."""
        cdef unsigned int i
        kept = [(inbox.data(i), inbox.address(i)) for i in range(first, count)]
        self.kept = kept + (self.kept or [])  # a turn inside a callback may have kept some
        if not self.paused:
            self.loop.post(&self.connection.read)
        return 0

    cdef int deliver_kept(self) except -1:
        """Pass to the protocol what was kept; then, in the next turn, receive again."""
        cdef list kept = self.kept
        self.kept = None
        kept.reverse()
        try:
            while kept and not (self.paused or self.closing):
                data, address = kept.pop()
                self.more_to_deliver = bool(kept)
                self.deliver_one(data, address)
        finally:
            self.more_to_deliver = False
            if not self.closing:
                if kept:
                    kept.reverse()
                    self.kept = kept + (self.kept or [])
                if not self.paused:
                    self.loop.post(&self.connection.read)
        return 0

    cdef int deliver_one(self, bytes data, address) except -1:
        cdef object context = self.context
        cdef bint entered = context_enter(context)
        try:
            return self.call_received(data, address)
        finally:
            if entered:
                PyContext_Exit(context)

    cdef int call_received(self, bytes data, address) except -1:
        """Call datagram_received(); an exception goes to the exception handler."""
        cdef object protocol = self.protocol
        cdef PyObject* arguments[3]
        cdef PyObject* result
        self.loop.received_bytes += PyBytes_GET_SIZE(data)
        arguments[0] = <PyObject*>protocol
        arguments[1] = <PyObject*>data
        arguments[2] = <PyObject*>address
        result = PyObject_VectorcallMethod("datagram_received", arguments, 3, NULL)
        if result != NULL:
            discard(result)
            return 0
        try:
            raise_pending()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            callback = getattr(protocol, "datagram_received", None)
            self.loop._report_protocol_failure(self, callback, (data, address), exc)
        return 0


cdef int datagram_read(Event* ev) except -1:
    cdef DatagramTransport transport = <DatagramTransport>ev.data
    return transport.read_ready()


def connect_datagrams(Reactor loop not None, sock, protocol, address, extra, context):
    """Return a transport for a non-blocking socket of datagrams, which it owns from now on.

    connection_made() is called in the next turn.

    Args:
        address: the only one that sendto() is to take, or None.
        extra: further answers of get_extra_info(), a dict or None.
        context: the contextvars.Context of every call to the protocol; by default a copy of the
            current one.
    """
    cdef DatagramTransport transport = DatagramTransport.__new__(DatagramTransport)
    transport.family = sock.family
    transport.plain = transport.family in (AF_INET, AF_INET6, AF_UNIX)
    transport.has_end = sock.type not in (SOCK_DGRAM, SOCK_RAW)
    transport.receive_count = 1 if transport.has_end else RECEIVE_DATAGRAM_COUNT
    transport.address = address or None
    transport.socket_kind = (sock.family, sock.type, sock.proto)
    context = PyContext_CopyCurrent() if context is None else context
    transport.open(loop, socket_to_fd(sock), protocol, context, None)
    transport.sock = sock
    transport.extra = extra
    transport.local = own_address(sock.getsockname)
    transport.peer = own_address(sock.getpeername)
    transport.connected = transport.peer is not None
    transport.peer_named = bool(transport.peer)
    transport.connection.read.handler = transport_start
    transport.connection.write.handler = datagram_write
    loop.post(&transport.connection.read)
    return transport


cdef object own_address(method):
    """Return the result of getsockname() or getpeername() of a socket, None if it fails."""
    try:
        return method()
    except OSError:
        return None
