# cython: nonecheck=True
"""Wire: the connection of a WebSocket, from the handshake to its end (RFC 6455 5.5, 7).

    open     messages and control frames go both ways
    closing  our Close is sent; messages are dropped until that of the client comes
    closed   both are here, or the client breaks a rule, does not answer or has left: the
             transport ends behind what is sent

How it ends. A client's Close is answered with its own code. What breaks a rule is answered with a
Close that says which. A client that answers no Ping is told so in the same way, as it may be there.

What a client's last frame demands is done a turn later: an application that waits for messages can
answer those before it. It is done later still while messages wait, if the application has taken
some of them in the turn, or cannot send its answers. The transport lingers always: a client that is
still sending reads our Close.

Rules. Time-outs are compared when the only timer runs, see core/timed.pyx.
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize
from libc.stdint cimport int64_t

import asyncio

from ngxloop.core.event cimport Event
from ngxloop.core.ready cimport event_unpost
from ngxloop.http.engine cimport Engine
from ngxloop.http.transitions cimport (
    Transitions,
    transition_allowed,
    transition_refuse,
    transitions_init,
)
from ngxloop.http.websocket.frames cimport (
    CLOSE_BROKEN,
    CLOSE_FAILED,
    CLOSE_RESTART,
    FINAL_BIT,
    OP_CLOSE,
    OP_PING,
    failure_code,
    frames_init,
)
from ngxloop.http.websocket.inbox cimport WIRE_CLOSED, WIRE_CLOSING, WIRE_OPEN, WireState

from ngxloop.http.websocket.frames import FAILURES

# From which state a wire may go to which others.
TRANSITIONS = {
    "open": ("closing", "closed"),
    "closing": ("closed",),
    "closed": (),
}
cdef tuple STATE_NAMES = tuple(TRANSITIONS)  # in the order of enum WireState
cdef Transitions ALLOWED
transitions_init(&ALLOWED, TRANSITIONS)

cdef enum:
    CODE_BYTES = 2


@cython.final
cdef class Wire(Pings):
    """One connection behind its handshake; see the file header."""

    def __repr__(self):
        waits = f", {len(self.messages)} waiting" if self.messages else ""
        paused = ", reading is paused" if self.stream is not None and self.is_paused() else ""
        blocked = ", writing is blocked" if self.writing_paused else ""
        return (
            f"<ngxloop.Wire {self.state_name}{waits}{paused}{blocked} over {self.transport()!r}>"
        )

    @property
    def __class__(self):
        return asyncio.Protocol

    @property
    def state_name(self):
        """The state, as TRANSITIONS names it."""
        return STATE_NAMES[<int>self.state]

    def __dealloc__(self):
        if self.conclusion.posted:
            event_unpost(&self.conclusion)

    cdef int move(self, WireState state) except -1:
        if not transition_allowed(&ALLOWED, self.state, state):
            transition_refuse("a WebSocket", TRANSITIONS, self.state, state)
        if self.state == WIRE_OPEN:
            self.engine.busy.add(self)
        self.state = state
        return 0

    cdef int upgraded(self, const char* data, Py_ssize_t size) except -1:
        cdef Engine engine = self.engine
        engine.websockets.add(self)
        if self.writing_paused:
            self.watch_output()
        if engine.ping_interval_ns:
            self.ping_ns = self.now_ns(self.loop) + engine.ping_interval_ns
        self.set_deadlines()
        return self.receive(data, size) if size else self.settle_reading()

    # ---- what the transport calls; receive() is that of Inbox

    def eof_received(self):
        """The client has ended its half, without a Close maybe: the transport closes."""
        self.left = True
        self.conclude()
        self.broken()
        return False

    def connection_lost(self, exc):
        """Tell the application, and let go of everything but what it has not taken."""
        self.lost = True
        self.conclude()
        self.broken()
        if self.conclusion.posted:
            event_unpost(&self.conclusion)
        self.listener = None
        self.deadline_stop()
        self.engine.forget(self)
        self.stream = self.tls = None

    def pause_writing(self):
        """The client takes no more: it has to within the send time-out."""
        self.writing_paused = True
        self.watch_output()
        self.set_deadlines()

    def resume_writing(self):
        """The client takes more again."""
        self.writing_paused = False
        self.send_ns = 0
        self.send_owed_pong()
        if self.listener is not None:
            self.listener.wake_waiters()
        if self.concluding and self.state != WIRE_CLOSED:
            self.loop.post(&self.conclusion)

    def end(self):
        """The server ends."""
        self.close(CLOSE_RESTART, "Service Restart")

    def abort_now(self):
        """Close at once."""
        if not self.lost:
            self.transport().abort()

    # ---- the end

    cdef int close(self, int code, str reason) except -1:
        """Send a Close and wait for that of the client."""
        if self.state != WIRE_OPEN or self.lost:
            return 0
        self.send_close(code, reason)
        self.move(WIRE_CLOSING)
        self.messages.clear()
        self.waiting_bytes = 0
        self.drop_partial()
        self.ping_ns = self.pong_ns = 0
        self.close_ns = self.now_ns(self.loop) + self.engine.quiet_ns
        self.ended(code, reason)
        if self.kept is not None:
            self.parse_kept()
        self.settle_reading()
        return self.set_deadlines()

    cdef int fail(self, int failure) except -1:
        self.failure = failure
        return self.conclude_soon()

    cdef int conclude_soon(self) except -1:
        """The last frame of the client is here; the application may answer what came before it."""
        self.concluding = True
        self.untaken_count = len(self.messages)
        self.loop.post(&self.conclusion)
        return 0

    cdef int conclusion_due(self) except -1:
        """Conclude, unless the application is taking what came before."""
        cdef Py_ssize_t count = len(self.messages)
        if count and self.writing_paused:
            return 0  # resume_writing() posts it again
        if count and count < self.untaken_count:
            self.untaken_count = count
            self.loop.post(&self.conclusion)
            return 0
        return self.conclude()

    cdef int conclude(self) except -1:
        """Do what the last frame of the client demands, if it is here."""
        if not self.concluding or self.state == WIRE_CLOSED:
            return 0
        if self.failure:
            return self.fail_with(failure_code(self.failure), FAILURES[self.failure])
        return self.close_received()

    cdef int fail_with(self, int code, str reason) except -1:
        """Close without waiting for the client, which is told why."""
        if self.state == WIRE_OPEN and not self.lost:
            self.send_close(code, reason)
        self.ended(code, reason)
        return self.finish()

    cdef int close_received(self) except -1:
        """Answer the client's Close, unless it answers ours."""
        cdef const char* payload = <const char*>self.frames.control
        cdef Py_ssize_t size = self.frames.control_size
        if self.state == WIRE_OPEN:
            reason = PyBytes_FromStringAndSize(payload, size)[CODE_BYTES:].decode()
            if not self.lost:
                self.send_frame(FINAL_BIT | OP_CLOSE, payload, size, None)
            self.ended(self.frames.close_code, reason)
        return self.finish()

    cdef int ended(self, int code, reason) except -1:
        """Note how the connection has ended, the first time, and tell the application."""
        if self.close_code:
            return 0
        self.close_code = code
        self.close_reason = reason
        return 0 if self.listener is None else self.listener.wake_waiters()

    cdef int finish(self) except -1:
        """End the transport behind what is sent."""
        cdef Engine engine = self.engine
        if self.state == WIRE_CLOSED:
            return 0
        self.forget()
        if self.lost:
            return 0
        if self.left:
            self.transport().close()
            return 0
        if self.tls is None:
            return self.stream.linger(engine.quiet_seconds, engine.lingering_seconds, 0)
        return self.tls.layer.linger(engine.quiet_seconds, engine.lingering_seconds, 0)

    cdef int broken(self) except -1:
        """The client has left; what it has sent before, and was parsed, is there still."""
        self.ended(CLOSE_BROKEN, "")
        if self.state == WIRE_CLOSED:
            return 0
        return self.forget()

    cdef int forget(self) except -1:
        """Nothing is read or sent any more; what is sent already has a deadline."""
        self.move(WIRE_CLOSED)
        self.concluding = True
        self.kept = None
        self.drop_partial()
        self.ping_ns = self.pong_ns = self.close_ns = 0
        if self.lost:
            return 0
        if self.transport().get_write_buffer_size():
            self.watch_output()
        return self.set_deadlines()

    cdef dict disconnect(self):
        """Return what the application is told of the end."""
        return {
            "type": "websocket.disconnect", "code": self.close_code, "reason": self.close_reason
        }

    # ---- control frames

    cdef int take_control(self) except -1:
        if self.frames.opcode == OP_CLOSE:
            return self.conclude_soon()
        if self.frames.opcode == OP_PING:
            return self.ping_received()
        return self.pong_received()

    # ---- deadlines

    cdef int watch_output(self) except -1:
        """Expect that the client takes something of what waits."""
        self.unsent_bytes = self.transport().get_write_buffer_size()
        self.send_ns = 0
        if self.engine.send_ns:
            self.send_ns = self.now_ns(self.loop) + self.engine.send_ns
        return 0

    cdef int set_deadlines(self) except -1:
        """Let the timer run for the first of the deadlines."""
        cdef int64_t[4] deadlines
        cdef int64_t first = 0
        cdef int i
        deadlines = [self.ping_ns, self.pong_ns, self.close_ns, self.send_ns]
        for i in range(4):
            if deadlines[i] and (first == 0 or deadlines[i] < first):
                first = deadlines[i]
        return 0 if self.lost else self.deadline_set(self.loop, first)

    cdef int deadline_passed(self) except -1:
        cdef int64_t now_ns = self.loop.now_ns()
        if self.send_ns and self.send_ns <= now_ns:
            if self.transport().get_write_buffer_size() >= self.unsent_bytes:
                self.transport().abort()
                return 0
            self.watch_output()
        if self.close_ns and self.close_ns <= now_ns:
            self.finish()
        if self.pong_ns and self.pong_ns <= now_ns and self.has_missed_pong(now_ns):
            self.fail_with(CLOSE_FAILED, "keepalive ping timeout")
        if self.ping_ns and self.ping_ns <= now_ns:
            self.ping(now_ns)
        return self.set_deadlines()


cdef int wire_conclude(Event* ev) except -1:
    """Do what the client's last frame demands (an EventHandler)."""
    cdef Wire wire = <Wire>ev.data
    return wire.conclusion_due()


cdef Wire wire_new(Link connection, WaitedFor listener, Deflate deflate):
    """Return what is to go on with the transport of a connection: its successor.

    Args:
        listener: its waiters are woken when something comes, can be sent, or has ended.
        deflate: None: messages are not compressed.
    """
    cdef Wire wire = Wire.__new__(Wire)
    cdef Engine engine = connection.engine
    wire.engine = engine
    wire.loop = connection.loop
    wire.stream = connection.stream
    wire.tls = connection.tls
    wire.listener = listener
    wire.deflate = deflate
    wire.conclusion.handler = wire_conclude
    wire.conclusion.data = <void*>wire  # BORROWED: unposted when the connection is lost
    wire.messages = []
    wire.messages_max = engine.messages_max
    frames_init(&wire.frames, engine.message_bytes_max, deflate is not None)
    return wire
