"""Transport: what every transport on a file descriptor has: a slot, a protocol, and an end.

A transport's life: take_slot(); its first event calls connection_made(); events read and write;
close(), abort() or an error schedules the end; the last event, in the next turn, calls
connection_lost() and release() gives everything back.

Rules. The slot OWNS the transport from take_slot() to release(), so a connection without any other
reference stays open, paused or not. connection_lost() is called exactly once and never from inside
close(). All calls to the protocol run in one fixed context, as in Python 3.15, on every version.
"""

import logging
import warnings

from ngxloop.core.event cimport KIND_TRANSPORT, Connection, Event
from ngxloop.core.handle cimport call_in_context
from ngxloop.core.limits cimport LOST_WRITES_LOGGED
from ngxloop.core.linux cimport close
from ngxloop.core.oserr cimport os_error
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.ready cimport event_unpost
from ngxloop.transports.flow cimport FlowControl

logger = logging.getLogger("asyncio")


cdef class Transport(FlowControl):
    """The base of all transports on file descriptors; see the file header."""

    def __cinit__(self, *args, **kwargs):
        self.fd = -1
        self.closing = True  # until take_slot()

    def __del__(self):
        if self.fd < 0:
            return
        try:
            warnings.warn(f"unclosed transport {self!r}", ResourceWarning, source=self)
        finally:  # warnings may be errors
            self.close_fd()
            self.released(None)

    cdef int take_slot(self, Reactor reactor, int fd, protocol, context) except -1:
        """Take a slot for fd; on failure nothing is taken and fd stays the caller's."""
        cdef Connection* connection = reactor.connection_claim(fd, KIND_TRANSPORT, self)
        return self.use_slot(reactor, connection, protocol, context)

    cdef int use_slot(self, Reactor reactor, Connection* connection, protocol, context) except -1:
        """Begin with a slot that is ours."""
        self.connection = connection
        self.fd = connection.fd
        self.loop = reactor
        self.protocol = protocol
        self.context = context
        self.closing = False
        return 0

    # ---- what asyncio's transports offer

    def get_extra_info(self, name, default=None):
        """Return what is known of the connection under this name, or default."""
        return default if self.extra is None else self.extra.get(name, default)

    def is_closing(self):
        """Return True once close() or abort() was called or the connection is lost."""
        return self.closing

    def get_protocol(self):
        """Return the protocol; None once the connection is lost."""
        return self.protocol

    def is_reading(self):
        """Return True if what is received is delivered."""
        return not self.closing and not self.paused

    def pause_reading(self):
        """Deliver nothing until resume_reading(); harmless when paused. Costs no system call."""
        if self.closing or self.paused:
            return
        self.paused = True
        self.reading_paused()

    def resume_reading(self):
        """Deliver again; harmless when not paused."""
        if self.closing or not self.paused:
            return
        self.paused = False
        self.reading_resumed()

    def abort(self):
        """Close at once; connection_lost(None) comes in the next turn.

        What the kernel has not taken is lost.
        """
        self.send_output()
        self._force_close(None)

    def _force_close(self, exc):
        """Close at once because of exc; connection_lost(exc) follows in the next turn."""
        if self.lost_count:
            return
        self.drop_output()
        self.closing = True
        self.lost_count += 1
        self.schedule_lost(exc)

    def _fatal_error(self, exc, message="Fatal error on transport"):
        self.fatal_error(exc, message)

    # ---- attributes that other packages and test suites read

    @property
    def _closing(self):
        return self.closing

    @property
    def _paused(self):
        return self.paused

    @property
    def _conn_lost(self):
        return self.lost_count

    @property
    def _extra(self):
        """Everything get_extra_info() knows, as one dict."""
        return self.extra

    def _loop_closed(self):
        """The loop closes with this connection open: __del__ closes it, with a warning."""
        self.connection = NULL
        self.closing = True

    # ---- the beginning

    cdef int start(self) except -1:
        """Run the first event of the slot."""
        raise NotImplementedError(f"{type(self).__name__} does not override start()")

    cdef bint begin(self) except -1:
        """Call connection_made(); return whether the connection continues."""
        self.started = True
        self.call_reported("connection_made", (self,))
        return self.connection != NULL and not self.lost_count

    # ---- reading

    cdef int reading_paused(self) except -1:
        """Stop delivering: from now on a kernel event only sets `ready`."""
        self.connection.read.active = 0
        return 0

    cdef int reading_resumed(self) except -1:
        """Deliver again, in the next turn if something has been reported meanwhile."""
        self.connection.read.active = 1
        if self.connection.read.ready:
            self.loop.post(&self.connection.read)
        return 0

    # ---- the end

    cdef int fatal_error(self, exc, str message) except -1:
        """Report an error and close at once; expected network errors are only logged."""
        if self.loop is None:
            pass
        elif self.is_expected(exc):
            if self.loop.debugging:
                logger.debug("%r: %s", self, message, exc_info=exc)
        else:
            self.loop.call_exception_handler({
                "message": message,
                "exception": exc,
                "transport": self,
                "protocol": self.protocol,
            })
        self._force_close(exc)
        return 0

    cdef bint is_expected(self, exc) except -1:
        """Return whether an error is caused by the network and not by a defect of the program."""
        return isinstance(exc, OSError)

    cdef int schedule_lost(self, exc) except -1:
        """Let the last event of the connection run in the next turn."""
        cdef Connection* connection = self.connection
        if connection == NULL:
            raise RuntimeError("Event loop is closed")
        if connection.read.posted:
            event_unpost(&connection.read)
        if connection.write.posted:
            event_unpost(&connection.write)
        connection.read.active = connection.write.active = 0
        connection.read.handler = transport_lost
        self.exception = exc
        self.loop.post(&connection.read)
        return self.loop.waker.wake()  # a thread has written to it or closed it

    cdef int lose(self) except -1:
        """Call connection_lost() and give everything back."""
        try:
            if not self.started:  # closed before its first event: by Server.close_clients()
                self.call_reported("connection_made", (self,))
            self.call_reported("connection_lost", (self.exception,))
        finally:
            self.release()
        return 0

    cdef int release(self) except -1:
        """Close the fd and give back the slot; this may drop the last reference to self."""
        cdef Reactor reactor = self.loop
        cdef Connection* connection = self.connection
        self.connection = NULL
        if connection == NULL:  # connection_lost() has closed a loop that is stepped by hand
            self.close_fd()
            return self.released(None)
        if self.has_duplicates():
            # epoll forgets a file only with its last duplicate
            reactor.poller.poll_remove(connection)
        try:
            self.close_fd()
        finally:
            self.protocol = self.loop = self.exception = None
            reactor.pool.connection_free(connection)
            self.released(reactor)
        return 0

    # ---- what subclasses change

    cdef bint has_duplicates(self) except -1:
        """Return whether others may hold a duplicate of the fd."""
        return False

    cdef int released(self, Reactor reactor) except -1:
        """Leave other counts of connections; reactor is None if the loop is closed."""
        return 0

    cdef int close_fd(self) except -1:
        cdef int fd = self.fd
        self.fd = -1
        close(fd)
        return 0

    cdef int close_owner(self, owner) except -1:
        """Close the Python object that owns the fd.

        That fails if the fd was closed by others, or if the object has a buffer of its own that
        cannot be written. It is closed nevertheless, and the loop must continue.
        """
        cdef object reactor = self.loop
        try:
            owner.close()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            reactor.call_exception_handler({
                "message": f"{owner!r}.close() failed; it is closed nevertheless",
                "exception": exc,
                "transport": self,
            })
        return 0

    cdef int close_sent(self) except -1:
        """All output of a closing transport is sent."""
        if not self.lost_count:
            self.lost_count += 1
            self.schedule_lost(None)
        return 0

    cdef int send_output(self) except -1:
        """Send what is joined until the turn ends."""
        return 0

    cdef int drop_output(self) except -1:
        """Forget what is not sent."""
        return 0

    cdef int send_failed(self, int error) except -1:
        """The kernel refused output with this errno."""
        return self.fatal_error(os_error(error, None), "Fatal write error on transport")

    cdef int lost_write(self, str text) except -1:
        """Count a write to a lost connection, and log those after the first few."""
        if self.lost_count >= LOST_WRITES_LOGGED:
            logger.warning(text)
        self.lost_count += 1
        return 0

    cdef int call_reported(self, str method, tuple args) except -1:
        """Call a method of the protocol; an exception goes to the exception handler."""
        cdef object callback = None
        try:
            callback = getattr(self.protocol, method)
            call_in_context(self.context, callback, args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.loop._report_protocol_failure(self, callback, args, exc)
        return 0


cdef int transport_start(Event* ev) except -1:
    cdef Transport transport = <Transport>ev.data
    return transport.start()


cdef int transport_lost(Event* ev) except -1:
    cdef Transport transport = <Transport>ev.data
    return transport.lose()
