# cython: nonecheck=True
"""WebSocket: a WebSocket as its application sees it (ASGI's WebSocket specification, 2.4).

    connecting  the request is not answered
    denying     the application answers it as a request of HTTP, and has begun to
    open        it has accepted; messages go both ways
    closed      it has closed or denied: nothing more can be sent

How it works. Up to the answer this is a request, with all that belongs to one: its deadlines, its
line in the access log, its place among the requests in progress. Accepting is the answer 101; then
the transport belongs to a Wire, and the connection of HTTP is gone.

Rules. An application that ends without an answer gets one with status 500; one that closes before
it accepts denies with 403. One that returns later closes with 1000, one that raises with 1011.
send() raises ClientDisconnected once the client has closed or left, and RuntimeError behind the
application's own websocket.close, with the texts of uvicorn. Behind a denial the connection closes:
the client may have taken it for a WebSocket, so what follows on it need not be a request.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

import logging

from ngxloop.http.answer cimport ANSWER_DONE, ANSWER_NEW, ANSWER_STREAMING
from ngxloop.http.answerhead cimport (
    head_add,
    head_free,
    head_write,
    head_write_fields,
)
from ngxloop.http.awaitables cimport (
    COMPLETED,
    NOT_YET,
    WANT_MESSAGE,
    WANT_ROOM,
    Wanted,
    waiting_new,
)
from ngxloop.http.engine cimport Engine
from ngxloop.http.lines cimport DATE_LINE_BYTES, date_line
from ngxloop.http.messages cimport Message, is_text, message_get, message_read
from ngxloop.http.request cimport Request, is_disconnect
from ngxloop.http.transitions cimport (
    Transitions,
    transition_allowed,
    transition_refuse,
    transitions_init,
)
from ngxloop.http.websocket.deflate cimport deflate_new
from ngxloop.http.websocket.frames cimport (
    CLOSE_BROKEN,
    CLOSE_FAILED,
    CLOSE_NORMAL,
    CLOSE_RESTART,
    may_be_sent,
)
from ngxloop.http.websocket.inbox cimport WIRE_OPEN
from ngxloop.http.websocket.wire cimport Wire, wire_new

from ngxloop.http.errors import ClientDisconnected
from ngxloop.http.websocket.handshake import read_handshake

logger = logging.getLogger("ngxloop.http")

# From which stage a WebSocket may go to which others; in the order of enum Stage.
TRANSITIONS = {
    "connecting": ("denying", "open", "closed"),
    "denying": ("closed",),
    "open": ("closed",),
    "closed": (),
}
cdef Transitions ALLOWED
transitions_init(&ALLOWED, TRANSITIONS)

# What an application may send at each stage, in the words of uvicorn.
cdef dict EXPECTED = {
    STAGE_CONNECTING: (
        "'websocket.accept', 'websocket.close' or 'websocket.http.response.start' but"
    ),
    STAGE_DENYING: "'websocket.http.response.body' but",
    STAGE_OPEN: "'websocket.send' or 'websocket.close', but",
}

cdef enum:
    BAD_REQUEST = 400
    FORBIDDEN = 403
    SWITCHING_PROTOCOLS = 101

# What a handshake's answer says itself; these fields of an application are left out.
cdef frozenset OURS = frozenset({
    b"connection", b"upgrade", b"sec-websocket-accept", b"sec-websocket-extensions",
    b"content-length", b"transfer-encoding",
})
cdef bytes SWITCHING = b"upgrade: websocket\r\nconnection: Upgrade\r\n"


@cython.final
cdef class WebSocket(Request):
    """One WebSocket; see the file header."""

    cdef int open(self, dict scope) except -1:
        """Read the handshake, and finish the scope; return the status to refuse it with, or 0."""
        handshake = read_handshake(
            scope["headers"], offers_deflate=self.link.engine.offers_deflate
        )
        if handshake.refusal:
            return handshake.refusal
        if not self.body_ended:  # it could not be told from frames
            return BAD_REQUEST
        self.handshake = handshake
        self.keeps_alive = False
        scope["type"] = "websocket"
        scope["asgi"] = {"version": "3.0", "spec_version": "2.4"}
        scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
        scope["subprotocols"] = list(handshake.subprotocols)
        extensions = {"websocket.http.response": {}}
        if self.link.tls is not None:
            extensions["tls"] = self.link.tls_extension()
        scope["extensions"] = extensions
        del scope["method"]
        return 0

    cdef int advance(self, Stage stage) except -1:
        if not transition_allowed(&ALLOWED, self.stage, stage):
            transition_refuse("a WebSocket", TRANSITIONS, self.stage, stage)
        self.stage = stage
        return 0

    # ---- receive()

    cdef object message(self):
        cdef object message
        if not self.connect_taken:
            self.connect_taken = True
            return {"type": "websocket.connect"}
        if self.wire is not None:
            message = self.wire.next_message()
            if message is NOT_YET and self.wire.close_code:
                return self.wire.disconnect()
            return message
        if self.over or self.link.left:
            code = CLOSE_RESTART if self.link.engine.over else CLOSE_BROKEN
            return {"type": "websocket.disconnect", "code": code, "reason": ""}
        return NOT_YET

    cdef object outcome(self, Wanted wanted):
        if wanted == WANT_MESSAGE:
            return self.message()
        if self.wire is None:
            return Request.outcome(self, wanted)
        if self.wire.state != WIRE_OPEN:
            raise ClientDisconnected("the client has left")
        return NOT_YET if self.wire.writing_paused else None

    # ---- send()

    cdef object send_other(self, kind, message):
        """Take a message of ASGI's WebSocket specification; return an awaitable."""
        if self.stage == STAGE_OPEN:
            return self.send_open(kind, message)
        if self.stage == STAGE_CLOSED:
            raise RuntimeError(
                f"Unexpected ASGI message '{kind}', after sending 'websocket.close'."
            )
        if self.stage == STAGE_DENYING:
            if kind == "websocket.http.response.body":
                return self.send_denial(message)
        elif kind == "websocket.accept":
            self.accept(message)
            return COMPLETED
        elif kind == "websocket.close":
            self.deny(FORBIDDEN)
            return COMPLETED
        elif kind == "websocket.http.response.start":
            self.begin_denial(message)
            return COMPLETED
        return self.refuse_message(kind)

    cdef object refuse_message(self, kind):
        if self.stage == STAGE_CLOSED:
            return self.send_other(kind, None)
        raise RuntimeError(f"Expected ASGI message {EXPECTED[self.stage]} got '{kind}'.")

    cdef int begin(self, const Message* fields) except -1:
        self.refuse_message(<object>fields.type)

    cdef int send_body(self, const Message* fields) except -1:
        self.refuse_message(<object>fields.type)

    cdef object send_open(self, kind, message):
        """Take a message of an application that has accepted."""
        if self.wire.state != WIRE_OPEN:
            raise ClientDisconnected("the client has left")
        if is_text(kind, b"websocket.send", 14):
            return self.send_message(message)
        if kind != "websocket.close":
            self.refuse_message(kind)
        self.close_by_application(message)
        return COMPLETED

    cdef object send_message(self, message):
        cdef object content = message_get(message, "bytes", None)
        if content is None:
            content = message_get(message, "text", None)
            if not isinstance(content, str):
                raise TypeError(
                    f"'websocket.send' needs bytes or a str, not {type(content).__name__}"
                )
            self.wire.send_text(content if type(content) is str else str(content))
        elif type(content) is bytes:
            self.wire.send_bytes(<bytes>content)
        elif isinstance(content, (bytes, bytearray, memoryview)):
            self.wire.send_bytes(bytes(content))
        else:
            raise TypeError(f"'bytes' must be bytes, not {type(content).__name__}")
        return waiting_new(self, WANT_ROOM) if self.wire.writing_paused else COMPLETED

    cdef int close_by_application(self, message) except -1:
        """Take websocket.close."""
        code = message_get(message, "code", None)
        reason = message_get(message, "reason", None)
        code = CLOSE_NORMAL if code is None else code
        reason = "" if reason is None else reason
        if not isinstance(code, int) or not may_be_sent(code):
            raise RuntimeError(f"Invalid close code: {code!r}")
        if not isinstance(reason, str):
            raise TypeError(f"the reason of a close must be a str, not {type(reason).__name__}")
        self.advance(STAGE_CLOSED)
        return self.wire.close(code, str(reason))

    # ---- the answer to the handshake

    cdef int accept(self, message) except -1:
        """Answer with 101, and give the transport to a Wire."""
        cdef Engine engine = self.link.engine
        cdef object parameters = self.handshake.deflate
        cdef Wire wire
        if self.link.left:
            self.leave()
            raise ClientDisconnected("the client has left")
        self.add_handshake(message)
        wire = wire_new(
            self.link, self, None if parameters is None else deflate_new(parameters)
        )
        engine.answers[1] += 1
        self.advance(STAGE_OPEN)
        self.move(ANSWER_DONE)
        self.status = SWITCHING_PROTOCOLS
        self.wire = wire
        self.link.write(self.head.memory, self.head.size)
        head_free(&self.head)
        self.finished(SWITCHING_PROTOCOLS)
        self.link.upgrade(wire)
        self.link = wire
        self.handshake = None
        return 0

    cdef int add_handshake(self, message) except -1:
        """Write the head of the answer."""
        cdef Engine engine = self.link.engine
        cdef object handshake = self.handshake
        cdef list fields = [(b"sec-websocket-accept", handshake.accept)]
        subprotocol = message_get(message, "subprotocol", None)
        if subprotocol is not None:
            fields.append((b"sec-websocket-protocol", subprotocol.encode("ascii")))
        if handshake.deflate is not None:
            fields.append((b"sec-websocket-extensions", handshake.deflate.answer))
        added = [
            (name, value) for name, value in message_get(message, "headers", None) or ()
            if bytes(name).lower() not in OURS
        ]
        if engine.access_log is not None:
            self.header_fields = added + fields
        head_write(&self.head, &self.facts, SWITCHING_PROTOCOLS, added)
        head_add(&self.head, PyBytes_AS_STRING(SWITCHING), PyBytes_GET_SIZE(SWITCHING))
        head_write_fields(&self.head, fields)
        if engine.server_header and not self.facts.has_server:
            head_add(&self.head, b"server: ngxloop\r\n", 17)
        if engine.date_header and not self.facts.has_date:
            head_add(&self.head, date_line(), DATE_LINE_BYTES)
        lines = engine.header_lines + b"\r\n"
        return head_add(&self.head, PyBytes_AS_STRING(lines), PyBytes_GET_SIZE(lines))

    # ---- denying

    cdef int deny(self, int status) except -1:
        """Answer with a status and its text."""
        cdef Message fields
        cdef dict start = {
            "type": "http.response.start", "status": status,
            "headers": [(b"content-type", b"text/plain")],
        }
        cdef dict body = {"type": "http.response.body", "body": b"%d\n" % status}
        self.advance(STAGE_CLOSED)
        message_read(&fields, start)
        Request.begin(self, &fields)
        message_read(&fields, body)
        return Request.send_body(self, &fields)

    cdef int begin_denial(self, message) except -1:
        """Take websocket.http.response.start."""
        cdef Message fields
        cdef dict _owner = message_read(&fields, message)
        Request.begin(self, &fields)
        return self.advance(STAGE_DENYING)

    cdef object send_denial(self, message):
        """Take websocket.http.response.body."""
        cdef Message fields
        cdef dict _owner = message_read(&fields, message)
        Request.send_body(self, &fields)
        if self.state == ANSWER_DONE:
            self.advance(STAGE_CLOSED)
        elif self.link.writing_paused and self.state == ANSWER_STREAMING:
            return waiting_new(self, WANT_ROOM)
        return COMPLETED

    # ---- the application ends

    cdef int failed(self, exc) except -1:
        if self.wire is None:
            return Request.failed(self, exc)
        self.close_code = CLOSE_FAILED
        if self.wire.state != WIRE_OPEN and is_disconnect(exc):
            return 0
        logger.error("Exception in ASGI application", exc_info=exc)
        return 0

    cdef int settle(self, bint is_explained) except -1:
        if self.wire is not None:
            return self.end(is_explained)
        if self.state == ANSWER_NEW and not is_explained and not self.link.left:
            logger.error("ASGI callable returned without completing handshake.")
            is_explained = True
        return Request.settle(self, is_explained)

    cdef int end(self, bint is_explained) except -1:
        """Close if the application has not: it has returned, raised, or was cancelled."""
        cdef int code = CLOSE_NORMAL
        if is_explained:
            code = self.close_code
            if code == 0:
                code = CLOSE_RESTART if self.link.engine.draining else CLOSE_FAILED
        return self.wire.close(code, "")


cdef Request websocket_new():
    """Return a request for a WebSocket; websocket_open() follows when it counts, see begun()."""
    return WebSocket.__new__(WebSocket)


cdef int websocket_open(Request request, dict scope) except -1:
    """Read the handshake, and finish the scope; return the status to refuse it with, or 0.

    The status is that of the request, too.
    """
    request.status = (<WebSocket?>request).open(scope)
    return request.status
