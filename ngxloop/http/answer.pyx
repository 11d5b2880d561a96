# cython: nonecheck=True
"""Answer: what an application sends in answer to a request, and how it is framed.

Rules. A message is worked off inside send(), which returns an awaitable that is done, unless the
client takes no more: then it waits until it does. The head is held back until the first of the
body, so that both leave with one call of the kernel, and an exception in between becomes a clean
answer with status 500; the connection sends a head that has been held too long.

Framing (RFC 9112 6.3). The application's Content-Length is held to: what is more is refused, what
is less ends the connection. Without one, a body in one message gets its length, others are chunked,
and end with the connection in HTTP/1.0. HEAD, 204 and 304 have no body, whatever is sent.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE

import logging

from ngxloop.core.linux cimport iovec
from ngxloop.http.answerhead cimport (
    head_add,
    head_add_chunk_size,
    head_add_length,
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
from ngxloop.http.inbound cimport Inbound
from ngxloop.http.lines cimport DATE_LINE_BYTES, date_line
from ngxloop.http.messages cimport Message, is_text, message_read, value_or
from ngxloop.http.transitions cimport (
    Transitions,
    transition_allowed,
    transition_refuse,
    transitions_init,
)

from ngxloop.http.errors import ClientDisconnected
from ngxloop.http.pathsend import send_path

logger = logging.getLogger("ngxloop.http")

# From which state an answer may go to which others; in the order of enum AnswerState.
TRANSITIONS = {
    "new": ("held", "done", "gone"),  # done without streaming: by our answer with status 500
    "held": ("streaming", "done", "gone"),
    "streaming": ("done", "gone"),
    "done": (),
    "gone": (),
}
cdef Transitions ALLOWED
transitions_init(&ALLOWED, TRANSITIONS)

cdef enum:
    # Head and body are copied side by side up to this size, and sent as one piece of memory;
    # larger bodies are referred to. See SEND_JOINED_BYTES of core/limits.pxd.
    JOINED_BYTES = 8192

cdef const char* LAST_CHUNK = b"0\r\n\r\n"
cdef const char* CHUNK_END = b"\r\n"
cdef const char* CHUNK_END_AND_LAST = b"\r\n0\r\n\r\n"


cdef class Answer(Inbound):
    """The sending half of a request; see the file header."""

    def __dealloc__(self):
        head_free(&self.head)

    def send(self, message):
        """Take a message of the application: ASGI's send().

        Raises:
            ClientDisconnected: the client is gone.
            RuntimeError: the message is out of order, or invalid.
        """
        cdef Message fields
        cdef dict items = message_read(&fields, message)
        cdef object kind = <object>fields.type
        if self.state == ANSWER_GONE:
            raise ClientDisconnected("the client has left")
        if is_text(kind, b"http.response.body", 18):
            self.send_body(&fields)
        elif is_text(kind, b"http.response.start", 19):
            self.begin(&fields)
        else:
            return self.send_other(kind, items)
        if self.link.writing_paused and self.state == ANSWER_STREAMING:
            return waiting_new(self, WANT_ROOM)
        return COMPLETED

    cdef object outcome(self, Wanted wanted):
        if wanted == WANT_MESSAGE:
            return self.message()
        if self.state == ANSWER_GONE:
            raise ClientDisconnected("the client has left")
        return NOT_YET if self.link.writing_paused else None

    cdef int move(self, AnswerState state) except -1:
        if not transition_allowed(&ALLOWED, self.state, state):
            transition_refuse("an answer", TRANSITIONS, self.state, state)
        self.state = state
        return 0

    # ---- the beginning

    cdef int begin(self, const Message* fields) except -1:
        """Take http.response.start."""
        cdef object headers = value_or(fields.headers, ())
        cdef object trailers = value_or(fields.trailers, False)
        cdef int status
        if self.state != ANSWER_NEW:
            refuse_message(self.state, <object>fields.type)
        if fields.status == NULL:
            raise KeyError("status")
        status = status_of(<object>fields.status)
        if self.link.engine.access_log is not None:
            self.header_fields = headers = list(headers)
        head_write(&self.head, &self.facts, status, headers)
        self.status = status
        self.awaits_trailers = trailers
        self.move(ANSWER_HELD)
        return self.link.answer_held()

    # ---- the body

    cdef int send_body(self, const Message* fields) except -1:
        """Take http.response.body."""
        cdef object body = value_or(fields.body, b"")
        cdef bint more = value_or(fields.more_body, False)
        if self.state == ANSWER_NEW or self.state == ANSWER_DONE or self.body_done:
            refuse_message(self.state, <object>fields.type)
        if type(body) is not bytes:
            if not isinstance(body, (bytes, bytearray, memoryview)):
                raise TypeError(f"the body of an answer must be bytes, not {type(body).__name__}")
            body = bytes(body)
        return self.add_body(<bytes>body, more)

    cdef int add_body(self, bytes body, bint more) except -1:
        """Send a piece of the body, behind the head if that was held."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
        self.check_length(size, more or self.awaits_trailers)
        if self.state == ANSWER_HELD:
            self.end_head(size, more or self.awaits_trailers)
        else:
            self.head.size = 0
        self.body_bytes += size
        self.link.engine.body_bytes += size
        self.body_done = not more
        if self.bodiless:
            self.emit(b"", NULL, 0)
        elif self.chunked:
            self.send_chunk(body, not more and not self.awaits_trailers)
        else:
            self.emit(body, NULL, 0)
        return 0 if more or self.awaits_trailers else self.done()

    cdef int check_length(self, Py_ssize_t size, bint more) except -1:
        """Hold the application to its Content-Length."""
        if self.state == ANSWER_HELD:
            self.bodiless = self.is_head or self.status in (204, 304)
            self.remaining = self.facts.content_length
            if self.status in (204, 304) and size:
                warn_of_body(self.status)
        if self.remaining < 0 or (self.bodiless and not self.is_head):
            return 0
        if size > self.remaining:
            raise RuntimeError("Response content longer than Content-Length")
        if not more and size < self.remaining and not self.is_head:
            if self.state == ANSWER_STREAMING:
                self.cut_short()
            raise RuntimeError("Response content shorter than Content-Length")
        self.remaining -= size
        return 0

    cdef int end_head(self, Py_ssize_t size, bint more) except -1:
        """Complete the head: what we say of the server, the framing and the connection."""
        cdef Engine engine = self.link.engine
        cdef HeadText* head = &self.head
        if engine.server_header and not self.facts.has_server:
            head_add(head, b"server: ngxloop\r\n", 17)
        if engine.date_header and not self.facts.has_date:
            head_add(head, date_line(), DATE_LINE_BYTES)
        if engine.header_lines:
            head_add(
                head, PyBytes_AS_STRING(engine.header_lines), PyBytes_GET_SIZE(engine.header_lines)
            )
        self.add_framing(size, more)
        self.persists = self.persists and self.keeps_alive and self.link.may_persist()
        if not self.persists:
            head_add(head, b"connection: close\r\n", 19)
        elif self.is_1_0:
            head_add(head, b"connection: keep-alive\r\n", 24)
        head_add(head, b"\r\n", 2)
        engine.answers[min(self.status // 100, 5)] += 1
        return self.move(ANSWER_STREAMING)

    cdef int add_framing(self, Py_ssize_t size, bint more) except -1:
        """Say where the body ends."""
        cdef HeadText* head = &self.head
        self.persists = not self.facts.closes
        if self.facts.content_length >= 0:
            if self.status == 204:
                return 0
            return head_add_length(head, self.facts.content_length)
        if self.status == 204 or self.status == 304:
            return 0
        if not more:
            if self.is_head and size == 0:
                return 0
            return head_add_length(head, size)
        if self.is_1_0:
            self.persists = self.persists and self.is_head
            return 0
        self.chunked = True
        return head_add(head, b"transfer-encoding: chunked\r\n", 28)

    cdef int send_head(self) except -1:
        """Send a head that was held until now, although nothing of the body is here."""
        if self.state != ANSWER_HELD:
            return 0
        self.bodiless = self.is_head or self.status in (204, 304)
        self.remaining = self.facts.content_length
        self.end_head(0, True)
        return self.emit(b"", NULL, 0)

    cdef int send_chunk(self, bytes body, bint last) except -1:
        """Send a piece of a chunked body, and the end behind the last one."""
        if PyBytes_GET_SIZE(body) == 0:
            return self.emit(body, LAST_CHUNK, 5) if last else self.emit(body, NULL, 0)
        head_add_chunk_size(&self.head, PyBytes_GET_SIZE(body))
        if last:
            return self.emit(body, CHUNK_END_AND_LAST, 7)
        return self.emit(body, CHUNK_END, 2)

    cdef int emit(self, bytes body, const char* suffix, Py_ssize_t suffix_size) except -1:
        """Send what was written to head, then the body, then the suffix, together."""
        cdef HeadText* head = &self.head
        cdef Py_ssize_t size = PyBytes_GET_SIZE(body)
        if size and size + head.size > JOINED_BYTES:
            self.emit_large(body, suffix, suffix_size)
        elif size + head.size + suffix_size:
            head_add(head, PyBytes_AS_STRING(body), size)
            if suffix_size:
                head_add(head, suffix, suffix_size)
            self.emit_head()
        head.size = 0
        return 0

    cdef int emit_head(self) except -1:
        """Send what was written to head; an answer that ends with it may wait for the next one."""
        if self.body_done and not self.awaits_trailers:
            return self.link.write_last(self.head.memory, self.head.size)
        return self.link.write(self.head.memory, self.head.size)

    cdef int emit_large(self, bytes body, const char* suffix, Py_ssize_t suffix_size) except -1:
        """Send a body that is not copied, between the head and the suffix."""
        cdef iovec[3] parts
        parts[0].iov_base = self.head.memory
        parts[0].iov_len = self.head.size
        parts[1].iov_base = PyBytes_AS_STRING(body)
        parts[1].iov_len = PyBytes_GET_SIZE(body)
        parts[2].iov_base = <void*>suffix
        parts[2].iov_len = suffix_size
        return self.link.write_around(parts, body)

    # ---- the end

    cdef int done(self) except -1:
        """The answer is complete."""
        self.over = True
        if self.state != ANSWER_GONE:  # sending has failed
            self.move(ANSWER_DONE)
            self.link.answer_ended(True)
        return self.wake_waiters()

    cdef int cut_short(self) except -1:
        """The answer ends before it is complete; the client must see that."""
        self.over = True
        self.move(ANSWER_DONE)
        self.link.answer_ended(False)
        return self.wake_waiters()

    cdef int leave(self) except -1:
        """The client is gone: receive() says so, send() raises."""
        if self.state != ANSWER_DONE and self.state != ANSWER_GONE:
            self.move(ANSWER_GONE)
        self.over = True
        return self.wake_waiters()

    # ---- extensions

    cdef object send_other(self, kind, message):
        """Take a message of an extension; return an awaitable."""
        if kind == "http.response.pathsend" and self.state == ANSWER_HELD:
            return send_path(self, message["path"])
        if kind == "http.response.early_hint" and self.state == ANSWER_NEW:
            self.send_hint(message)
        elif kind == "http.response.trailers" and self.body_done and self.awaits_trailers:
            self.send_trailers(message)
        else:
            refuse_message(self.state, kind)
        return COMPLETED

    cdef int send_hint(self, message) except -1:
        """Send an interim answer with links; HTTP/1.0 does not know them."""
        if self.is_1_0:
            return 0
        self.link.engine.answers[1] += 1
        self.head.size = 0
        head_add(&self.head, b"HTTP/1.1 103 Early Hints\r\n", 26)
        head_write_fields(&self.head, [(b"link", link) for link in message["links"]])
        head_add(&self.head, b"\r\n", 2)
        return self.emit(b"", NULL, 0)

    cdef int send_trailers(self, message) except -1:
        """Send the trailers, or drop them if the client or the framing has no place for them."""
        self.trailers = [*(self.trailers or ()), *message.get("headers", ())]
        if message.get("more_trailers", False):
            return 0
        if self.chunked and not self.bodiless:
            self.head.size = 0
            head_add(&self.head, b"0\r\n", 3)
            head_write_fields(&self.head, self.trailers if self.takes_trailers else [])
            head_add(&self.head, b"\r\n", 2)
            self.emit(b"", NULL, 0)
        self.awaits_trailers = False
        return self.done()

    def _file_begins(self, size):
        """Send the head of an answer whose body is a file; return what to send it to.

        None: there is no body to send, and the answer is complete.
        """
        if self.state == ANSWER_GONE:
            raise ClientDisconnected("the client has left")
        if self.facts.content_length < 0:
            self.facts.content_length = size
        self.check_length(size, False)
        self.end_head(size, False)
        self.emit(b"", NULL, 0)
        if not self.bodiless and size and self.state == ANSWER_STREAMING:
            return self.link.transport()
        self.done()
        return None

    def _file_sent(self, size):
        """Count what was sent of the file, and end the answer."""
        self.body_bytes += size
        self.link.engine.body_bytes += size
        if self.state == ANSWER_GONE:
            raise ClientDisconnected("the client has left")
        if size == self.facts.content_length:
            self.done()
        else:
            self.cut_short()
            raise RuntimeError("Response content shorter than Content-Length")


cdef int status_of(status) except -1:
    """Return the status that an application gives, checked."""
    if not isinstance(status, int) or not 200 <= status <= 999:
        raise RuntimeError(f"Invalid status of an answer: {status!r}")
    return status


cdef int refuse_message(AnswerState state, kind) except -1:
    """Raise what tells the application that its message is out of order."""
    if state == ANSWER_DONE:
        raise RuntimeError(
            f"Unexpected ASGI message '{kind}' sent, after response already completed."
        )
    expected = "http.response.start" if state == ANSWER_NEW else "http.response.body"
    raise RuntimeError(f"Expected ASGI message '{expected}', but got '{kind}'.")


cdef set warned = set()


cdef int warn_of_body(int status) except -1:
    """Say once that what an application sends is dropped."""
    if status not in warned:
        warned.add(status)
        logger.warning("an answer with status %d cannot have a body; it is dropped", status)
    return 0
