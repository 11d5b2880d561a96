# cython: nonecheck=True
"""Request: a request that an application answers, in a task of its own.

Rules. Each request has a context of its own, a copy of its connection's. What the application
raises is logged once, with its traceback, and is answered with status 500 if nothing was sent; else
the connection is closed, so that the client sees an incomplete answer. What it raises because
send() told it that the client has left is not logged. No exception is kept: its frames would keep
the application's objects alive, and generators would end late.

A request that the application has answered and forgotten is used again for the next one, with its
methods: so are nearly all of those that are answered in their first step. That saves 1,700
instructions of 25,000.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.contextvars cimport PyContext_Copy
from cpython.object cimport PyObject

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
    ctypedef struct Function "PyCFunctionObject":
        PyObject* m_weakreflist

    Py_ssize_t Py_REFCNT(PyObject* owner)
    PyObject* PyTuple_GET_ITEM(object items, Py_ssize_t i)  # BORROWED
    object PyCFunction_New(PyMethodDef* method, object owner)

logger = logging.getLogger("ngxloop.http")

cdef enum:
    # A request that had more memory than this for its answer is not used again: what a small answer
    # is joined in, and its head.
    KEPT_HEAD_BYTES = 16384

# What is bound to each request without looking it up by its name.
cdef PyMethodDef* RECEIVE = definition_of(Answer, "receive")
cdef PyMethodDef* SEND = definition_of(Answer, "send")


cdef class Request(Answer):
    """One request; see the file header."""

    cdef int start(self, dict scope, receive, send) except -1:
        """Run the application up to its first suspension."""
        cdef Engine engine = self.link.engine
        cdef object context = None
        if not self.link.stream.inside:
            context = PyContext_Copy(self.link.stream.context)
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
        if engine.task_has_returned(task):
            self.running = False
            return self.settle(False)
        if engine.task_is_done(task):
            return self.task_done(task)
        self.task = task
        engine.tasks.add(task)
        task.add_done_callback(self._task_ended)
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
        self.link.answer_ended(nothing_sent)
        return self.wake_waiters()

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
            scope["headers"].copy(),
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


cdef tuple kit_take(Engine engine):
    """Return a request and its methods receive and send, those of an earlier one if they are free.
    """
    cdef tuple kit = engine.kit
    if kit is not None:
        engine.kit = None  # what turns the loop may begin another request
        return kit
    return kit_new(Request.__new__(Request))


cdef tuple kit_new(Request request):
    """Return a request, not begun yet, and its methods receive and send."""
    return (request, PyCFunction_New(RECEIVE, request), PyCFunction_New(SEND, request))


cdef int kit_give(Engine engine, tuple kit, Request request) except -1:
    """Keep a request that is over, and its methods, for the next if nothing else refers to them.

    The caller has one reference to the request; the kit has one to each, the methods one more to
    the request.
    """
    cdef PyObject* receive = PyTuple_GET_ITEM(kit, 1)
    cdef PyObject* send = PyTuple_GET_ITEM(kit, 2)
    if (
        request.state != ANSWER_DONE
        or Py_REFCNT(<PyObject*>request) != 4
        or not is_free(receive)
        or not is_free(send)
        or request.head.capacity > KEPT_HEAD_BYTES
    ):
        return 0
    request.link = None
    request.trailers = request.line = request.header_fields = None
    request.drop_pieces()
    engine.kit = kit
    return 0


cdef inline bint is_free(PyObject* method) noexcept:
    """Return whether only its kit refers to a method."""
    return Py_REFCNT(method) == 1 and (<Function*>method).m_weakreflist == NULL


cdef int request_begin(Request request, Link link, const Head* head) except -1:
    """Make a request, which may have been another one, one with this head, without its body.

    It counts from begun() on. What is not set here is set before it is read.
    """
    request.link = link
    body_init(&request.body, head)
    request.held_ns = request.body_ns = 0
    request.body_ended = head.content_length <= 0 and not head.is_chunked
    request.end_taken = request.over = False
    request.awaits_continue = head.expects_continue and not request.body_ended
    request.state = ANSWER_NEW
    request.status = 0
    request.remaining = -1
    request.body_bytes = 0
    request.is_head = head.method_id == METHOD_HEAD
    request.is_1_0 = head.minor_version == 0
    request.takes_trailers = head.takes_trailers
    request.chunked = request.bodiless = False
    request.awaits_trailers = request.body_done = False
    request.keeps_alive = head.keeps_alive
    request.persists = request.running = request.counted = False
    return 0


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
