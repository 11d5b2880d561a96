# cython: nonecheck=True
"""Pings: those of the client, which are answered, and ours, which show whether it is there.

Rules. A Ping is answered at once; of many that come together, or while the client takes nothing,
only the last one is, when it takes more again (RFC 6455 5.5.3). A client that cannot answer our
Ping as its own frame is not complete, or as we do not read, shows that it is there by what it
sends: that is no time-out.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdint cimport int64_t, uint32_t
from libc.string cimport memcpy

from ngxloop.http.engine cimport Engine
from ngxloop.http.websocket.frames cimport FINAL_BIT, OP_PING, OP_PONG
from ngxloop.http.websocket.inbox cimport WIRE_OPEN, Inbox

cdef enum:
    # Pings of one receive that are answered each. The Autobahn test suite sends 10.
    ANSWERED_AT_ONCE = 16
    PING_BYTES = 4


cdef class Pings(Outbox):
    """Pings and Pongs of a Wire; see the file header."""

    cdef int ping_received(self) except -1:
        """Answer a Ping; behind our Close nothing is sent."""
        cdef const char* payload = <const char*>self.frames.control
        if self.state != WIRE_OPEN:
            return 0
        if self.writing_paused or self.answered_count == ANSWERED_AT_ONCE:
            self.owed_pong = PyBytes_FromStringAndSize(payload, self.frames.control_size)
            return 0
        self.answered_count += 1
        return self.send_frame(FINAL_BIT | OP_PONG, payload, self.frames.control_size, None)

    cdef int send_owed_pong(self) except -1:
        """Answer the last of the Pings that were not answered at once."""
        cdef bytes payload = self.owed_pong
        self.owed_pong = None
        if payload is None or self.state != WIRE_OPEN:
            return 0
        return self.send_frame(FINAL_BIT | OP_PONG, PyBytes_AS_STRING(payload), len(payload), None)

    cdef int pong_received(self) except -1:
        """Note that the client has answered our last Ping; other Pongs are ignored."""
        cdef uint32_t number
        if self.frames.control_size == PING_BYTES:
            memcpy(&number, self.frames.control, PING_BYTES)
            if number == self.ping_count:
                self.pong_ns = 0
        return 0

    cdef int settle_reading(self) except -1:
        self.answered_count = 0
        if not self.writing_paused:
            self.send_owed_pong()
        return Inbox.settle_reading(self)

    cdef int ping(self, int64_t now_ns) except -1:
        """Ask whether the client is there; one that takes no more has a time-out already."""
        cdef Engine engine = self.engine
        self.ping_ns = now_ns + engine.ping_interval_ns
        if self.writing_paused or self.pong_ns:
            return 0
        self.ping_count += 1
        self.heard = False
        if engine.ping_timeout_ns:
            self.pong_ns = now_ns + engine.ping_timeout_ns
        return self.send_frame(
            FINAL_BIT | OP_PING, <const char*>&self.ping_count, PING_BYTES, None
        )

    cdef bint has_missed_pong(self, int64_t now_ns) except -1:
        """Return whether the client is gone; it is not if it has sent something, or we do not read.
        """
        self.pong_ns = 0
        if not self.heard and not self.is_paused():
            return True
        self.heard = False
        self.pong_ns = now_ns + self.engine.ping_timeout_ns
        return False
