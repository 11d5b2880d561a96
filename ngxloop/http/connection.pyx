# cython: nonecheck=True
"""HttpConnection: the life of a connection that carries HTTP/1.1 requests.

Its states, deadlines and end are in closing.pyx, the memory of its input in unparsed.pyx.

Rules. finish() alone chooses what follows an answer: the next request, lingering or the end. An
application never runs on the stack of another request: what has arrived behind a request is parsed
when its first step has returned, or in the next turn; and after some requests in a row in the next
turn, too, so that others get theirs. An application's first step may turn the loop, and with it
this connection: nothing is kept in local variables meanwhile. Model: nginx,
src/http/ngx_http_request.c.
"""

cimport cython
from libc.stdint cimport int64_t, uint8_t

import asyncio

from ngxloop.core.clock cimport NS_PER_MS
from ngxloop.core.event cimport Event
from ngxloop.core.ready cimport event_unpost
from ngxloop.http.answer cimport ANSWER_HELD, ANSWER_NEW
from ngxloop.http.body cimport body_parse
from ngxloop.http.closing cimport (
    CLIENT_LEFT,
    HTTP_CLOSED,
    HTTP_DISCARDING,
    HTTP_HANDLING,
    HTTP_HEAD,
    HTTP_IDLE,
    HTTP_REFUSING,
    HTTP_SENDING,
    HTTP_WAITING,
    Closing,
)
from ngxloop.http.engine cimport Engine
from ngxloop.http.head cimport (
    HEAD_START_LF,
    PARSE_DATA,
    PARSE_DONE,
    PARSE_REFUSED,
    ParseResult,
)
from ngxloop.http.headparser cimport head_parse
from ngxloop.http.refusals cimport BAD_TLS_HELLO, refusal_status
from ngxloop.http.request cimport Request, kit_give, kit_new, kit_take, request_begin
from ngxloop.http.scope cimport scope_new
from ngxloop.http.websocket.session cimport wants_websocket, websocket_new, websocket_open
from ngxloop.transports.idling cimport idle_add

cdef enum:
    # A head leaves without a body after this: the client learns the status of a slow answer.
    HELD_MS = 50
    # Reading pauses while more of a body than this waits for the application.
    BODY_HIGH_BYTES = 65536
    # Requests that one event may begin. nginx posts the next one after each.
    PIPELINED_COUNT = 16
    # The status of a request above limit_concurrency.
    OVERLOADED = 503


@cython.final
cdef class HttpConnection(Closing):
    """One connection; see the file header."""

    def __init__(self, Engine engine not None):
        """Serve one connection of an Engine's server: the protocol of its transport."""
        self.engine = engine
        self.loop = engine.loop
        self.go_on.handler = connection_go_on
        self.go_on.data = <void*>self  # BORROWED: unposted when the connection is lost

    def __dealloc__(self):
        if self.go_on.posted:
            event_unpost(&self.go_on)

    def __repr__(self):
        return f"<ngxloop.HttpConnection {self.state_name} over {self.transport()!r}>"

    @property
    def __class__(self):
        return asyncio.Protocol

    # ---- what the transport calls

    def connection_made(self, transport):
        """Wait for the first request."""
        Closing.connection_made(self, transport)
        self.wait_first()

    cdef int receive(self, const char* data, Py_ssize_t size) except -1:
        self.input_add(data, size)
        return 0 if self.running else self.run()

    cdef int peer_left(self) except -1:
        return self.client_left()

    def eof_received(self):
        """The client has ended its half: keep the other one if an answer is under way."""
        self.client_left()
        if self.state <= HTTP_IDLE and not self.input_size:
            self.close()
        return self.tls is None and (self.state == HTTP_HANDLING or self.state == HTTP_SENDING)

    def resume_writing(self):
        """The client takes more again."""
        self.writing_paused = False
        self.send_ns = 0
        if self.state == HTTP_SENDING:
            self.finish()
        elif self.request is not None:
            self.request.wake_waiters()

    def connection_lost(self, exc):
        """Tell the application, and let go of everything."""
        cdef Request request = self.request
        self.lost = True
        self.state = HTTP_CLOSED
        self.request = None
        self.deadline_stop()
        self.engine.forget(self)
        if self.go_on.posted:
            event_unpost(&self.go_on)
        self.input_drop()
        self.abandon(request)
        self.stream = self.tls = None

    # ---- input

    cdef int run(self) except -1:
        """Parse what is here, and start applications, as far as the state allows."""
        cdef int started = 0
        self.running = True
        try:
            while self.input_size and self.run_once(&started):
                pass
        finally:
            self.running = False
        if self.input_size or self.kept != NULL:
            self.input_keep()
        return self.settle_reading()

    cdef bint run_once(self, int* started) except -1:
        """Parse a head or a piece of a body; return whether to go on."""
        if self.state == HTTP_HANDLING or self.state == HTTP_DISCARDING:
            if self.request.body_ended:
                return False
            self.parse_body()
            return True
        if self.state <= HTTP_IDLE:
            if self.starting:
                return False
            if self.stream.lost_count:  # connection_lost() follows: no client is left
                self.input_drop()
                return False
            if started[0] == PIPELINED_COUNT:
                self.loop.post(&self.go_on)
                return False
            started[0] += 1
            return self.parse_head()
        if self.state != HTTP_SENDING:
            self.input_drop()
        return False

    cdef int run_guarded(self) except -1:
        """Do what run() does outside of receive(); an exception ends the connection."""
        try:
            self.run()
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            if self.stream is not None:
                self.stream.fatal_error(exc, "Fatal error on an HTTP connection")
        return 0

    cdef bint wants_input(self) noexcept:
        """Return whether to read: not what must wait for the application, or for its answer."""
        if self.input_size:
            return self.state <= HTTP_IDLE and not self.go_on.posted
        if self.state == HTTP_HANDLING:
            return self.request.piece_bytes <= BODY_HIGH_BYTES
        return True

    cdef int settle_reading(self) except -1:
        """Read or do not read, as wanted; a body must come while we read."""
        cdef bint wanted
        cdef bint paused
        if self.lost or self.state >= HTTP_REFUSING:
            return 0
        wanted = self.wants_input()
        paused = self.stream.paused if self.tls is None else self.tls.layer.paused
        if wanted and paused:
            self.transport().resume_reading()
        elif not wanted and not paused:
            self.transport().pause_reading()
        if self.state != HTTP_HANDLING or self.request.body_ended:
            return 0
        self.request.body_ns = 0
        if wanted and self.engine.body_ns:
            self.request.body_ns = self.now_ns(self.loop) + self.engine.body_ns
        return self.set_deadlines()

    cdef bint parse_head(self) except -1:
        """Parse the head that the input begins with; return whether it was complete."""
        cdef Engine engine = self.engine
        cdef ParseResult result
        self.head_begin()
        result = head_parse(&engine.head, <const uint8_t*>self.input, self.input_size)
        if result == PARSE_DONE:
            self.begin_request()
            return True
        if result == PARSE_REFUSED:
            if engine.head.refusal == BAD_TLS_HELLO:
                engine.warn_of_tls()
            self.refuse(refusal_status(engine.head.refusal))
            return False
        self.head_keep()
        if engine.head.state <= HEAD_START_LF:
            self.wait_idle()
        elif self.state != HTTP_HEAD:
            self.move(HTTP_HEAD)
            self.begin_ns = self.now_ns(self.loop)
            self.state_ns = self.begin_ns + engine.header_ns if engine.header_ns else 0
            self.set_deadlines()
        return False

    cdef int begin_request(self) except -1:
        """Make a request of the engine's head, take what is here of its body, and start it."""
        cdef Engine engine = self.engine
        cdef bint asks = wants_websocket(&engine.head)
        cdef tuple kit = kit_new(websocket_new()) if asks else kit_take(engine)
        cdef Request request = <Request>kit[0]
        cdef dict scope = scope_new(self, &engine.head, self.input)
        request_begin(request, self, &engine.head)
        if engine.access_log is not None:
            request.start_ns = self.begin_ns if self.begin_ns else self.now_ns(self.loop)
            request.note_line(scope)
        self.begin_ns = self.state_ns = 0
        self.request = request
        request.begun()  # last of all: what has failed before is no request
        self.request_count += 1
        self.move(HTTP_HANDLING)
        self.input_consume(engine.head.size)
        if engine.concurrency_max and engine.active_count > engine.concurrency_max:
            return self.refuse(OVERLOADED)
        if asks and websocket_open(request, scope):
            return self.refuse(request.status)
        while self.input_size and not request.body_ended and self.state == HTTP_HANDLING:
            self.parse_body()
        if self.state == HTTP_HANDLING:
            self.start_application(request, scope, kit[1], kit[2])
        return 0 if asks else kit_give(engine, kit, request)

    cdef int start_application(self, Request request, dict scope, receive, send) except -1:
        """Run the application's first step; nothing is in the memory of receive() meanwhile."""
        if self.input_size or self.kept != NULL:
            self.input_keep()
        self.deadline_ns = 0
        self.gathers = self.input_size > 0
        self.starting = True
        self.running = False  # a nested turn may bring more of the body
        try:
            request.start(scope, receive, send)
        finally:
            self.gathers = self.starting = False
            self.running = True
        if self.state == HTTP_HANDLING:
            self.stand_busy()
        return self.answer_held() if request.state == ANSWER_HELD else 0

    cdef int parse_body(self) except -1:
        """Parse some of the body: for the application, or for nobody."""
        cdef Request request = self.request
        cdef ParseResult result = body_parse(
            &request.body, <const uint8_t*>self.input, self.input_size
        )
        if result == PARSE_DATA and self.state == HTTP_HANDLING:
            request.add_piece(self.input + request.body.piece_offset, request.body.piece_size)
        self.input_consume(request.body.consumed)
        if result == PARSE_REFUSED:
            return self.refuse(refusal_status(request.body.refusal))
        if result == PARSE_DONE or body_parse(&request.body, NULL, 0) == PARSE_DONE:
            request.body_ended = True
            request.body_ns = 0
        if self.state == HTTP_DISCARDING:
            return self.discard()
        return request.wake_waiters()

    cdef int client_left(self) except -1:
        """The client has ended its half, or has reset the connection: an answer is still tried.

        Not over TLS, where our half ends with the client's.
        """
        self.left = True
        if self.tls is not None:
            return self.leave()
        return self.request.wake_waiters() if self.request is not None else 0

    # ---- what a request wants done

    cdef bint may_persist(self) except -1:
        cdef Request request = self.request
        if self.engine.draining or (self.left and self.input_size == 0):
            return False
        if request.awaits_continue and not request.body_ended:
            return False  # the body comes, or not
        return not self.engine.requests_max or self.request_count < self.engine.requests_max

    cdef int answer_held(self) except -1:
        if self.starting:
            return 0
        self.request.held_ns = self.now_ns(self.loop) + HELD_MS * <int64_t>NS_PER_MS
        return self.set_deadlines()

    cdef int body_taken(self) except -1:
        return 0 if self.running else self.settle_reading()

    cdef int continue_body(self) except -1:
        if self.request is not None and self.request.state == ANSWER_NEW and not self.lost:
            self.engine.answers[1] += 1
            return self.write(b"HTTP/1.1 100 Continue\r\n\r\n", 25)
        return 0

    cdef int answer_ended(self, bint whole) except -1:
        cdef Request request = self.request
        if self.lost or request is None or self.state != HTTP_HANDLING:
            return 0
        request.held_ns = request.body_ns = 0
        request.finished(request.status if whole else CLIENT_LEFT)
        if not whole and request.is_1_0 and not request.bodiless and request.remaining < 0:
            return self.abort()  # the end of the connection would be that of the answer
        if not whole:
            request.persists = False
        return self.finish()

    # ---- the end of an answer

    cdef int finish(self) except -1:
        """Choose what follows an answer that has ended."""
        cdef Request request = self.request
        if self.writing_paused and self.state == HTTP_HANDLING:
            return self.move(HTTP_SENDING)
        if not request.persists or (self.left and self.input_size == 0):
            return self.close() if request.body_ended and self.input_size == 0 else self.linger()
        if request.body_ended:
            return self.next_request()
        self.move(HTTP_DISCARDING)
        request.drop_pieces()
        request.end_ns = self.now_ns(self.loop) + self.engine.lingering_ns
        self.discard()
        return 0 if self.running else self.run_guarded()

    cdef int discard(self) except -1:
        """Go on without the rest of the body when it has come; it must come within some time."""
        if self.request.body_ended:
            return self.next_request()
        self.state_ns = min(self.now_ns(self.loop) + self.engine.quiet_ns, self.request.end_ns)
        return self.set_deadlines()

    cdef int next_request(self) except -1:
        """Wait for the next request, or go on with what is here of it."""
        self.request = None
        self.move(HTTP_IDLE)
        self.engine.idle.add(self)
        self.state_ns = 0
        self.set_deadlines()
        if self.input_size:
            if not self.running and not self.starting:
                self.loop.post(&self.go_on)
            return 0
        return self.wait_idle()

    cdef int wait_idle(self) except -1:
        """Wait for the first byte of a request; empty lines are none, and change no deadline."""
        cdef Engine engine = self.engine
        if self.stream.connection == NULL:  # TLS: connection_lost() is about to be called
            return 0
        if engine.over or (engine.closes_idle and not self.has_unread()):
            return self.close()
        if self.state == HTTP_WAITING:
            return self.make_reusable()
        if not self.running and not self.starting:
            self.settle_reading()
        return idle_add(self.loop, self.stream.connection)


cdef int connection_go_on(Event* ev) except -1:
    """Parse what is kept (an EventHandler)."""
    cdef HttpConnection connection = <HttpConnection>ev.data
    return connection.run_guarded()
