# cython: nonecheck=True
"""Request: a request that an application answers, in a task of its own.

Rules. Each request has a context of its own, a copy of its connection's. What the application
raises is logged once, with its traceback, and is answered with status 500 if nothing was sent; else
the connection is closed, so that the client sees an incomplete answer. What it raises because
send() told it that the client has left is not logged. No exception is kept: its frames would keep
the application's objects alive, and generators would end late.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_Copy

import asyncio
import logging

from ngxloop.core.methods cimport PyMethodDef, definition_of
from ngxloop.http.answer cimport (
    ANSWER_DONE,
    ANSWER_GONE,
    ANSWER_HELD,
    ANSWER_NEW,
    Answer,
)
from ngxloop.http.body cimport body_init
from ngxloop.http.engine cimport Engine
from ngxloop.http.head cimport METHOD_HEAD, Head
from ngxloop.http.lines cimport refusal_answer
from ngxloop.http.link cimport Link

from ngxloop.http.errors import ClientDisconnected
from ngxloop.http.options import AccessRecord
from ngxloop.http.running import run_application

cdef extern from "Python.h":
    object PyCFunction_New(PyMethodDef* method, object owner)

logger = logging.getLogger("ngxloop.http")

# What is bound to each request without looking it up by its name.
cdef PyMethodDef* RECEIVE = definition_of(Answer, "receive")
cdef PyMethodDef* SEND = definition_of(Answer, "send")


@cython.final
cdef class Request(Answer):
    """One request; see the file header."""

    cdef int start(self, dict scope) except -1:
        """Run the application up to its first suspension."""
        cdef Engine engine = self.link.engine
        cdef object context = PyContext_Copy(self.link.stream.context)
        cdef object receive = PyCFunction_New(RECEIVE, self)
        cdef object send = PyCFunction_New(SEND, self)
        self.running = True
        try:
            if engine.is_async:
                coroutine = engine.application(scope, receive, send)
            else:
                coroutine = run_application(engine.application, scope, receive, send)
            task = engine.new_task(coroutine, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self.running = False
            self.failed(exc)
            return self.settle(True)
        if engine.task_is_done(task):
            return self.task_done(task)
        self.task = task
        engine.tasks.add(task)
        task.add_done_callback(self._task_ended, context=context)
        return 0

    def _task_ended(self, task):
        self.task = None
        self.link.engine.tasks.discard(task)
        self.task_done(task)

    cdef int task_done(self, task) except -1:
        """The application has returned, or raised."""
        cdef object exc = None
        self.running = False
        try:
            exc = self.link.engine.task_exception(task)
        except asyncio.CancelledError:
            return self.settle(True)
        if exc is not None:
            self.failed(exc)
        return self.settle(exc is not None)

    cdef int failed(self, exc) except -1:
        """Log what the application raised, unless it is our own news that the client has left."""
        if self.state == ANSWER_GONE and is_disconnect(exc):
            return 0
        logger.error("Exception in ASGI application", exc_info=exc)
        return 0

    cdef int settle(self, bint is_explained) except -1:
        """Do what the application has left undone.

        Args:
            is_explained: it was logged why there is no whole answer, or it was cancelled.
        """
        cdef bint nothing_sent = self.state == ANSWER_NEW or self.state == ANSWER_HELD
        if self.state == ANSWER_DONE:
            return 0
        if self.state == ANSWER_GONE:
            return self.link.answer_ended(False)
        if not is_explained and self.link.left:  # it was told so, and has nobody to answer
            self.leave()
            return self.link.answer_ended(False)
        if not is_explained:
            what = "starting" if self.state == ANSWER_NEW else "completing"
            logger.error("ASGI callable returned without %s its response", what)
        self.move(ANSWER_DONE)
        self.over = True
        if nothing_sent:
            self.send_failure()
        return self.link.answer_ended(nothing_sent)

    cdef int send_failure(self) except -1:
        """Answer with status 500; the connection closes behind it."""
        cdef Engine engine = self.link.engine
        cdef bytes answer = refusal_answer(
            500, self.is_head, engine.date_header, engine.header_lines
        )
        self.status = 500
        self.persists = False
        engine.answers[5] += 1
        return self.link.write(PyBytes_AS_STRING(answer), PyBytes_GET_SIZE(answer))

    cdef int note_line(self, dict scope) except -1:
        """Keep what the access log wants: the application may change the scope."""
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        self.line = (
            scope["client"], scope["method"], target.decode("ascii"), scope["http_version"],
            scope["headers"],
        )
        return 0

    cdef int begun(self) except -1:
        """The connection has the request: count it as one under way, until finished()."""
        cdef Engine engine = self.link.engine
        self.counted = True
        engine.request_count += 1
        engine.active_count += 1
        engine.slot.http.in_flight = engine.active_count
        return 0

    cdef int finished(self, int status) except -1:
        """The answer has ended, in whatever way: count it, and write the access log; once."""
        cdef Engine engine = self.link.engine
        if not self.counted:
            return 0
        self.counted = False
        engine.count_request()
        if self.line is None:
            return 0
        client, method, target, version, headers = self.line
        seconds = (self.link.now_ns(engine.loop) - self.start_ns) / 1e9
        record = AccessRecord(
            client, method, target, version, status, self.body_bytes, seconds,
            headers, self.header_fields or (),
        )
        try:
            engine.access_log(record)
        except Exception:
            logger.exception("the access log failed")
        return 0


cdef Request request_new(Link link, const Head* head):
    """Return a request with this head, without its body; it counts from begun() on."""
    cdef Request request = Request.__new__(Request)
    request.link = link
    body_init(&request.body, head)
    request.body_ended = head.content_length <= 0 and not head.is_chunked
    request.awaits_continue = head.expects_continue and not request.body_ended
    request.is_head = head.method_id == METHOD_HEAD
    request.is_1_0 = head.minor_version == 0
    request.takes_trailers = head.takes_trailers
    request.keeps_alive = head.keeps_alive
    request.remaining = -1
    return request


cdef bint is_disconnect(exc) except -1:
    """Return whether an exception comes from a send() to a client that has left, in any guise."""
    seen = set()
    rest = [exc]
    while rest:
        exc = rest.pop()
        if exc is None or id(exc) in seen:
            continue
        if isinstance(exc, (ClientDisconnected, asyncio.CancelledError)):
            return True
        seen.add(id(exc))
        rest += [exc.__cause__, exc.__context__, *getattr(exc, "exceptions", ())]
    return False
