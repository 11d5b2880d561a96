# cython: nonecheck=True
"""Closing: the states of an HTTP connection, its deadlines, and its end.

    waiting     for the first byte; a time-out closes silently, as nothing was asked
    head        a part of a request's head is here: 408 if the rest does not come
    idle        between two requests: the connection may be closed to make room for another one
    handling    the application answers; its body may still be coming
    sending     the answer is complete, and waits for a client that takes no more now
    discarding  the answer is sent; the rest of the body comes and is dropped
    refusing    a last answer of ours is sent
    lingering   our half ends; what the client still sends is dropped by the transport
    closed      the connection ends behind what is sent already
    upgraded    the transport belongs to a WebSocket

How it ends. After a refusal the client may still be sending: the connection lingers, so that the
answer is not destroyed by a reset. nginx closes at once after a 400 if nothing more is here; but
what is sent in pieces would then get its answer or not, as it happens. Models:
ngx_http_finalize_connection(), ngx_http_set_lingering_close().

Deadlines are compared when the only timer runs; to set one is a store, see core/timed.pyx.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport int64_t

import logging

from ngxloop.http.answer cimport ANSWER_DONE, ANSWER_HELD
from ngxloop.http.engine cimport Engine
from ngxloop.http.head cimport METHOD_HEAD
from ngxloop.http.lines cimport refusal_answer
from ngxloop.http.link cimport Link
from ngxloop.http.request cimport Request
from ngxloop.http.transitions cimport (
    Transitions,
    transition_allowed,
    transition_refuse,
    transitions_init,
)
from ngxloop.http.unparsed cimport Unparsed

from ngxloop.http.options import AccessRecord

logger = logging.getLogger("ngxloop.http")

# From which state a connection may go to which others.
TRANSITIONS = {
    "waiting": ("head", "handling", "refusing", "closed"),
    "head": ("handling", "refusing", "closed"),
    "idle": ("head", "handling", "refusing", "closed"),
    "handling": ("idle", "sending", "discarding", "refusing", "lingering", "closed", "upgraded"),
    "sending": ("idle", "discarding", "lingering", "closed"),
    "discarding": ("idle", "refusing", "lingering", "closed"),
    "refusing": ("lingering", "closed"),
    "lingering": ("closed",),
    "closed": (),
    "upgraded": (),
}
cdef tuple STATE_NAMES = tuple(TRANSITIONS)  # in the order of enum ConnectionState
cdef Transitions ALLOWED
transitions_init(&ALLOWED, TRANSITIONS)

cdef enum:
    REQUEST_TIMEOUT = 408
    CONTENT_TOO_LARGE = 413
    # What is read behind a head that was refused. A body has an end, a head need not have one.
    REFUSED_HEAD_BYTES = 1 << 20


cdef class Closing(Unparsed):
    """The base of HttpConnection; see the file header."""

    @property
    def state_name(self):
        """The state, as TRANSITIONS names it."""
        return STATE_NAMES[<int>self.state]

    cdef int move(self, ConnectionState state) except -1:
        if not transition_allowed(&ALLOWED, self.state, state):
            transition_refuse("an HTTP connection", TRANSITIONS, self.state, state)
        self.state = state
        return 0 if state == HTTP_HANDLING or state == HTTP_IDLE else self.stand_busy()

    cdef int stand_busy(self) except -1:
        """Leave the list of those that wait for a request.

        What is answered by the application's first step has not left it: most requests are.
        """
        if self.expiries is not self.engine.busy and not self.lost:
            self.engine.busy.add(self)
        return 0

    cdef int wait_first(self) except -1:
        """Wait for the first request: in a drain not longer than connections that were idle.

        A TLS handshake may end late.
        """
        cdef Engine engine = self.engine
        engine.waiting.add(self)
        if engine.over:
            return self.close()
        if engine.closes_idle:
            self.state_ns = self.now_ns(self.loop) + engine.grace_ns
            self.set_deadlines()
        return self.make_reusable()

    cdef int make_reusable(self) except -1:
        """Let a connection that has asked nothing yet be closed when there is little room.

        Not when there is none: that would close connections that were just accepted, in vain.
        """
        if self.stream.connection != NULL:
            self.loop.pool.set_reusable(self.stream.connection, True)
        return 0

    # ---- the server ends

    def end(self):
        """The server ends: the application is told, a connection without a request closes."""
        self.left = True
        if self.request is not None and self.request.state != ANSWER_DONE:
            self.request.leave()
        elif self.state <= HTTP_IDLE:
            self.close()

    def close_idle(self):
        """Close, if no request has begun and none waits to be read."""
        if self.input_size or (self.state != HTTP_WAITING and self.state != HTTP_IDLE):
            return
        if not self.has_unread():
            self.close()

    def abort_now(self):
        """Close at once, whatever is under way."""
        if not self.lost:
            self.transport().abort()

    # ---- the end

    cdef int close(self) except -1:
        """Close behind what is sent already; nothing of the client's is unread.

        TLS does not wait for the client's close_notify, which some send when they ask again.
        """
        if self.lost or self.state == HTTP_CLOSED:
            return 0
        self.move(HTTP_CLOSED)
        self.last_output()
        if self.tls is not None:
            return self.tls.layer.linger(0.0, 0.0, 0)
        self.stream.close()
        return 0

    cdef int linger(self, int64_t bytes_max=0) except -1:
        """Close in a way that a client which is still sending gets the answer.

        Args:
            bytes_max: what it may still send; 0: any number.
        """
        cdef Engine engine = self.engine
        if self.lost or self.state >= HTTP_LINGERING:
            return 0
        self.move(HTTP_LINGERING)
        self.last_output()
        if self.tls is None:
            return self.stream.linger(engine.quiet_seconds, engine.lingering_seconds, bytes_max)
        return self.tls.layer.linger(engine.quiet_seconds, engine.lingering_seconds, bytes_max)

    cdef int abort(self) except -1:
        """Close at once: the client takes nothing, or must not take what it has for the whole."""
        if self.lost or self.state == HTTP_CLOSED:
            return 0
        self.move(HTTP_CLOSED)
        self.send_ns = 0
        self.forget_deadlines()
        self.transport().abort()
        return 0

    cdef int leave(self) except -1:
        """The client is gone, and what is written from now on is lost: tell the application."""
        self.abandon(self.request)
        return self.close()

    cdef int abandon(self, Request request) except -1:
        """A request, if any, gets no answer, or not all of it, as its client is gone."""
        if request is None or request.state == ANSWER_DONE:
            return 0
        request.finished(CLIENT_LEFT)
        return request.leave()

    cdef int last_output(self) except -1:
        """Only what is sent already has a deadline now."""
        self.forget_deadlines()
        self.input_drop()
        if self.transport().get_write_buffer_size():
            self.watch_output()
        return self.set_deadlines()

    cdef int forget_deadlines(self) except -1:
        """Expect nothing any more of the client's, or of the application's."""
        self.state_ns = 0
        if self.request is not None:
            self.request.held_ns = self.request.body_ns = 0
        return 0

    cdef int upgrade(self, Link successor) except -1:
        self.move(HTTP_UPGRADED)
        self.deadline_stop()
        self.engine.forget(self)
        successor.writing_paused = self.writing_paused
        self.transport().set_protocol(successor)
        self.request = None
        self.lost = True
        try:
            successor.upgraded(self.input, self.input_size)
        finally:
            self.input_drop()
            self.stream = self.tls = None
        return 0

    # ---- refusals

    cdef int refuse(self, int status) except -1:
        """Answer a request that is not understood, too large or too late, and close."""
        cdef Request request = self.request
        cdef bint is_endless
        cdef bint unanswered = request is None or request.state <= ANSWER_HELD
        if self.lost:
            return 0
        self.move(HTTP_REFUSING)
        if request is None:
            self.log_refusal(status)
        elif request.state != ANSWER_DONE:
            request.finished(status if unanswered else CLIENT_LEFT)
            request.leave()
        if unanswered:
            self.send_refusal(status)
        is_endless = request is None and status != CONTENT_TOO_LARGE
        return self.linger(REFUSED_HEAD_BYTES if is_endless else 0)

    cdef int send_refusal(self, int status) except -1:
        cdef Engine engine = self.engine
        cdef Request request = self.request
        cdef bint is_head = engine.head.method_id == METHOD_HEAD
        cdef bytes answer
        if request is not None:
            is_head = request.is_head
        answer = refusal_answer(status, is_head, engine.date_header, engine.header_lines)
        engine.answers[status // 100] += 1
        return self.write(PyBytes_AS_STRING(answer), PyBytes_GET_SIZE(answer))

    cdef int log_refusal(self, int status) except -1:
        """Write the access log for what never became a request."""
        if self.engine.access_log is None:
            return 0
        if not self.has_addresses:
            self.use_addresses()
        try:
            self.engine.access_log(AccessRecord(self.client, "", "", "", status, 0, 0.0))
        except Exception:
            logger.exception("the access log failed")
        return 0

    # ---- deadlines

    def pause_writing(self):
        """The client takes no more: it has to within the send time-out."""
        self.writing_paused = True
        self.watch_output()
        self.set_deadlines()

    cdef int watch_output(self) except -1:
        """Expect that the client takes something of what waits."""
        self.unsent_bytes = self.transport().get_write_buffer_size()
        self.send_ns = 0
        if self.engine.send_ns:
            self.send_ns = self.now_ns(self.loop) + self.engine.send_ns
        return 0

    cdef int set_deadlines(self) except -1:
        """Let the timer run for the first of the deadlines."""
        cdef int64_t first = earlier(self.state_ns, self.send_ns)
        if self.lost:
            return 0
        if self.request is not None:
            first = earlier(first, earlier(self.request.held_ns, self.request.body_ns))
        return self.deadline_set(self.loop, first)

    cdef int deadline_passed(self) except -1:
        cdef int64_t now_ns = self.loop.now_ns()
        if self.request is not None and 0 < self.request.held_ns <= now_ns:
            self.request.held_ns = 0
            self.request.send_head()
        if self.send_ns and self.send_ns <= now_ns:
            if self.transport().get_write_buffer_size() >= self.unsent_bytes:
                return self.abort()
            self.watch_output()
        if self.request is not None and 0 < self.request.body_ns <= now_ns:
            self.request.body_ns = 0
            if self.request.state <= ANSWER_HELD:
                self.refuse(REQUEST_TIMEOUT)
            else:
                self.abort()
        if self.state_ns and self.state_ns <= now_ns:
            self.state_ns = 0
            self.state_deadline_passed()
        return self.set_deadlines()

    cdef int expired(self) except -1:
        if self.state == HTTP_HANDLING:  # an application's first step turns the loop
            return self.stand_busy()
        return self.state_deadline_passed()

    cdef int state_deadline_passed(self) except -1:
        """A client that has asked for nothing is not answered (RFC 9112 9.5: some would take the
        answer for that to their next request)."""
        if self.state == HTTP_HEAD:
            return self.refuse(REQUEST_TIMEOUT)
        return self.linger() if self.state == HTTP_DISCARDING else self.close()


cdef inline int64_t earlier(int64_t one_ns, int64_t other_ns) noexcept:
    """Return the first of two deadlines, of which 0 is none."""
    if one_ns == 0 or other_ns == 0:
        return one_ns + other_ns
    return min(one_ns, other_ns)
