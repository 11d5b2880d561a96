# cython: nonecheck=True
"""Engine: what all connections of one server share: application, limits, counters, memory.

How an application is run. Always in a real asyncio.Task: asyncio.current_task(), time-outs and
anyio depend on it. From Python 3.12 on the task begins at once (eager_start), and most answers are
complete before it is suspended for the first time; a task factory that is set is used instead. To
call a coroutine function runs nothing of it; any other callable is called by a coroutine of ours,
so that all its code runs in the task.
"""

cimport cython
from cpython.contextvars cimport PyContext_CopyCurrent
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject_Call

import asyncio
import inspect
import logging
import os
import sys
from time import monotonic
from types import GetSetDescriptorType

from ngxloop.core.clock cimport ns_from_seconds
from ngxloop.core.scoreboard cimport Scoreboard
from ngxloop.core.scheduling cimport Scheduling
from ngxloop.http.expiry cimport Expiries, Expiring, expiries_new
from ngxloop.http.fieldtable cimport FieldTable
from ngxloop.http.head cimport Field
from ngxloop.http.headparser cimport head_limits_init

from ngxloop.http.proxies import TrustedProxies

cdef extern from "Python.h":
    ctypedef struct Getter "PyGetSetDef":
        object (*get)(object owner, void* closure)
        void* closure

    ctypedef struct GetSetDescriptor "PyGetSetDescrObject":
        Getter* d_getset

logger = logging.getLogger("ngxloop.http")

cdef double LOG_SECONDS = 10.0   # between two lines about TLS handshakes on a plain port
cdef str TLS_LINE = "a client began a TLS handshake on a port without TLS; refused with 400"
cdef object TASK = asyncio.Task
cdef object TASK_DONE = asyncio.Task.done
cdef object TASK_EXCEPTION = asyncio.Task.exception
cdef str FINISHED = "FINISHED"   # interned, as that of asyncio is
cdef Getter GET_STATE
cdef Getter GET_EXCEPTION
cdef bint HAS_GETTERS = find_getters()
cdef bint HAS_EAGER_START = sys.version_info >= (3, 12)


@cython.final
cdef class Engine:
    """The server behind its connections; see the file header."""

    def __cinit__(self):
        self.slot = &self.apart
        self.answers = self.slot.http.answers

    def __init__(self, application, options, Scheduling loop not None):
        """Serve an ASGI application.

        Args:
            options: an Options.
            loop: the loop that will serve.
        """
        if self.fields != NULL:
            raise RuntimeError("Engine.__init__() called twice")
        self.application = application
        self.options = options
        self.loop = loop
        self.task_options = {"loop": loop, "eager_start": True}
        self.is_async = inspect.iscoroutinefunction(application) or inspect.iscoroutinefunction(
            getattr(type(application), "__call__", None)
        )
        self.tasks = set()
        self.field_table = FieldTable(int.from_bytes(os.urandom(8), "little"))
        self.root_path = options.root_path.rstrip("/")
        self.scope = {
            "type": "http", "asgi": None, "http_version": "1.1", "server": None, "client": None,
            "scheme": "http", "method": "GET", "root_path": self.root_path, "path": "",
            "raw_path": b"", "query_string": b"", "headers": None, "extensions": None,
        }
        self.asgi, self.extensions = {}, {}  # not those that a scope has
        self.take_limits(options)
        self.fields = <Field*>PyMem_Malloc(self.limits.field_count_max * sizeof(Field))
        if self.fields == NULL:
            raise MemoryError("no memory for a table of header fields")

    def __dealloc__(self):
        PyMem_Free(self.fields)

    cdef int take_limits(self, options) except -1:
        head_limits_init(&self.limits)
        self.limits.target_bytes_max = options.limit_target_bytes
        self.limits.field_line_bytes_max = options.limit_field_line_bytes
        self.limits.fields_bytes_max = options.limit_fields_bytes
        self.limits.field_count_max = options.limit_field_count
        self.limits.body_bytes_max = options.client_max_body_size
        self.limits.drops_underscores = not options.underscores_in_headers
        self.header_ns = ns_from_seconds(options.client_header_timeout)
        self.body_ns = ns_from_seconds(options.client_body_timeout)
        self.send_ns = ns_from_seconds(options.send_timeout)
        self.waiting = expiries_new(self.loop, self.header_ns)
        self.idle = expiries_new(self.loop, ns_from_seconds(options.timeout_keep_alive))
        self.busy = expiries_new(self.loop, 0)
        self.websockets = expiries_new(self.loop, 0)
        self.lingering_seconds = options.lingering_time
        self.lingering_ns = ns_from_seconds(options.lingering_time)
        self.quiet_seconds = options.lingering_timeout
        self.quiet_ns = ns_from_seconds(options.lingering_timeout)
        self.requests_max = options.keepalive_requests
        self.message_bytes_max = options.ws_max_size
        self.messages_max = options.ws_max_queue
        self.ping_interval_ns = ns_from_seconds(options.ws_ping_interval)
        self.ping_timeout_ns = ns_from_seconds(options.ws_ping_timeout)
        self.offers_deflate = options.ws_per_message_deflate
        self.server_header = options.server_header
        self.date_header = options.date_header
        self.access_log = options.access_log
        if options.forwarded_allow_ips:
            self.proxies = TrustedProxies(options.forwarded_allow_ips, options.forwarded_hops)
        self.concurrency_max = options.limit_concurrency
        return self.take_headers(options.headers)

    cdef int take_headers(self, headers) except -1:
        """Have lines in every answer; a Server or Date among them replaces that of the engine."""
        names = {name.lower() for name, _ in headers}
        self.server_header = self.server_header and b"server" not in names
        self.date_header = self.date_header and b"date" not in names
        self.header_lines = b"".join(b"%b: %b\r\n" % header for header in headers)
        return 0

    def use_slot(self, Scoreboard board not None, slot, on_request=None):
        """Keep the figures in a slot of a scoreboard, that of this worker.

        Args:
            on_request: called for each request that was answered, in place of counting it there.
        """
        self.slot = board.slot_at(slot)
        self.board = board
        self.answers = self.slot.http.answers
        self.on_request = on_request
        self.slot.http.in_flight = self.active_count
        self.slot.http.is_counted = True

    cdef int count_request(self) except -1:
        """A request was answered, or its client has left."""
        self.active_count -= 1
        self.slot.http.in_flight = self.active_count
        if self.on_request is None:
            self.slot.requests += 1
        else:
            self.on_request()
        return 0

    @property
    def connections(self):
        """All connections that are not lost."""
        lists = (self.waiting, self.idle, self.busy, self.websockets)
        return {member for expiries in lists for member in (<Expiries>expiries).members()}

    @property
    def connection_count(self):
        """How many there are."""
        return self.waiting.count + self.idle.count + self.busy.count + self.websockets.count

    @property
    def websocket_count(self):
        """How many WebSockets are open."""
        return self.websockets.count

    @property
    def answer_counts(self):
        """How many answers have begun, by class: 1xx to 5xx."""
        return {f"{digit}xx": self.answers[digit] for digit in range(1, 6)}

    def use_state(self, state):
        """Give each request a copy of this dict from now on: what the lifespan has put there."""
        self.state = state
        if state is not None:
            self.scope["state"] = None

    def drain(self):
        """Let every answer say that its connection closes, and close connections after it."""
        self.draining = True

    def close_idle(self, double grace=0.0):
        """Close connections without a request; in a drain, later ones as soon as they have none.

        An answer that began before the drain has not said that its connection closes.

        Args:
            grace: for how many seconds a connection that begins later may wait for a request.
        """
        self.closes_idle = self.draining
        self.grace_ns = ns_from_seconds(grace)
        for connection in self.waiting.members() + self.idle.members():
            connection.close_idle()

    def abort(self):
        """Close all connections at once."""
        for connection in self.connections:
            connection.abort_now()

    def close_websocket(self):
        """Close the WebSocket that has been open longest, as the server ends."""
        if self.websockets.first is not None:
            self.websockets.first.end()

    def end(self):
        """Tell applications that their clients have left, so that endless answers end.

        Connections without a request are closed.
        """
        self.draining = self.over = True
        for connection in self.connections:
            connection.end()

    cdef object shared_context(self, context):
        """Return the context for a connection: that of the one before, if nothing differs.

        Nothing of an application runs in it: each request has a copy.
        """
        if self.context is None or not has_same_content(self.context, context):
            self.context = context
        return self.context

    cdef int forget(self, Expiring connection) except -1:
        """Note that a connection is lost; without any, no timer is left."""
        if connection.expiries is not None:
            connection.expiries.remove(connection)
        if self.connection_count == 0:
            self.waiting.deadline_stop()
            self.idle.deadline_stop()
        return 0

    cdef int use_local(self, local, tuple server) except -1:
        """Let scopes begin with this address: most connections have the same one."""
        self.local = local
        self.server = server
        self.scope["server"] = server
        return 0

    cdef int warn_of_tls(self) except -1:
        """Log that a client speaks TLS where there is none: a line in LOG_SECONDS, with a count."""
        cdef double now = monotonic()
        if now < self.tls_quiet_until:
            self.tls_left_out += 1
            return 0
        more = f" ({self.tls_left_out} more since the last line)" if self.tls_left_out else ""
        self.tls_quiet_until = now + LOG_SECONDS
        self.tls_left_out = 0
        logger.warning("%s%s", TLS_LINE, more)
        return 0

    cdef object new_task(self, coroutine, context):
        """Return the task that runs a coroutine: done already, or under way, or about to begin.

        Args:
            context: its context; None: a copy of the one that we are in.
        """
        if not HAS_EAGER_START or self.loop._task_factory is not None:
            if context is None:
                context = PyContext_CopyCurrent()
            return self.loop.create_task(coroutine, context=context)
        if context is None:
            return PyObject_Call(TASK, (coroutine,), self.task_options)
        return TASK(coroutine, loop=self.loop, eager_start=True, context=context)

    cdef bint task_is_done(self, task) except -1:
        """Return task.done(); the method of asyncio's own tasks is not looked up."""
        return TASK_DONE(task) if type(task) is TASK else task.done()

    cdef bint task_has_returned(self, task) except -1:
        """Return whether a task is known to be done, and not by an exception or cancellation."""
        return (
            HAS_GETTERS
            and type(task) is TASK
            and attribute_is(task, &GET_STATE, FINISHED)
            and attribute_is(task, &GET_EXCEPTION, None)
        )

    cdef object task_exception(self, task):
        """Return task.exception()."""
        return TASK_EXCEPTION(task) if type(task) is TASK else task.exception()


cdef inline bint attribute_is(owner, const Getter* attribute, value) except -1:
    """Return whether an attribute is this very object, without looking the attribute up."""
    cdef object current = attribute.get(owner, attribute.closure)
    return current is value


cdef bint find_getters() except -1:
    """Find the getters of asyncio's own tasks; False if they are written in Python."""
    global GET_STATE, GET_EXCEPTION
    state, exception = TASK._state, TASK._exception
    if type(state) is not GetSetDescriptorType or type(exception) is not GetSetDescriptorType:
        return False
    GET_STATE = (<GetSetDescriptor*>state).d_getset[0]
    GET_EXCEPTION = (<GetSetDescriptor*>exception).d_getset[0]
    return True


cdef bint has_same_content(context, other) except -1:
    """Return whether all variables have the very same values in two contexts."""
    if len(context) != len(other):
        return False
    for variable, value in context.items():
        if variable not in other or other[variable] is not value:
            return False
    return True
