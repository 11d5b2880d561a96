"""Engine: what all connections of one server share."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint64_t

from ngxloop.core.scoreboard cimport Scoreboard, Slot
from ngxloop.core.scheduling cimport Scheduling
from ngxloop.http.expiry cimport Expiries, Expiring
from ngxloop.http.fieldtable cimport FieldTable
from ngxloop.http.head cimport Field, Head, HeadLimits

cdef enum:
    SHARED_COUNT = 2         # the items of the dicts `asgi` and `extensions` of a scope

# An item of a dict, which keeps both alive: BORROWED.
cdef struct Item:
    PyObject* key
    PyObject* value

cdef class Engine:
    cdef readonly object application
    cdef readonly object options
    cdef Scheduling loop
    cdef dict task_options           # of the constructor of tasks
    cdef bint is_async               # to call the application runs none of its code
    cdef HeadLimits limits
    cdef Head head                   # of the request that is being parsed; for those in one piece
    cdef Field* fields               # OWNS: limits.field_count_max entries, for every parser
    cdef FieldTable field_table
    cdef tuple kit                   # a Request, receive and send for the next one; or None
    cdef dict scope                  # what every scope begins as
    cdef dict asgi                   # its dicts, which the last request has, too
    cdef dict extensions
    cdef dict extension_items        # keeps alive what was put into extensions
    cdef Item[SHARED_COUNT] asgi_content     # what is in them as long as nobody changes it
    cdef Item[SHARED_COUNT] extension_content
    cdef object local                # our address of the connection that asked for it last
    cdef tuple server                # the same as in a scope
    cdef readonly dict state         # the lifespan's state; None without a lifespan
    cdef str root_path               # without a slash at its end; "" if there is none
    cdef object proxies              # a TrustedProxies; None: no peer is believed
    cdef object access_log           # what is called with an AccessRecord, or None
    cdef bint server_header
    cdef bint date_header
    cdef bytes header_lines          # of every answer, as the options want; b"" without any
    cdef uint64_t concurrency_max    # requests under way above which others get 503; 0: any number
    cdef Expiries waiting            # connections without a byte yet
    cdef Expiries idle               # those between two requests
    cdef Expiries busy               # all others
    cdef object context              # of the connections that have made one like it
    cdef int64_t header_ns           # time-outs; 0: none
    cdef int64_t body_ns
    cdef int64_t send_ns
    cdef uint64_t requests_max       # of one connection; 0: any number
    cdef int64_t lingering_ns        # altogether
    cdef int64_t quiet_ns            # between two reads
    cdef Expiries websockets         # those that are open; closing ones are busy
    cdef uint64_t message_bytes_max  # of a WebSocket's message; 0: no limit
    cdef Py_ssize_t messages_max     # that wait for an application
    cdef int64_t ping_interval_ns    # 0: none are sent
    cdef int64_t ping_timeout_ns     # 0: any time
    cdef bint offers_deflate         # messages may be compressed
    cdef double lingering_seconds    # the same in seconds
    cdef double quiet_seconds
    cdef double tls_quiet_until      # when the next TLS handshake is logged; see time.monotonic()
    cdef uint64_t tls_left_out       # those that were not logged
    cdef readonly set tasks          # of requests that were suspended; hung ones are named
    cdef readonly bint draining      # answers say `Connection: close`
    cdef bint closes_idle            # connections close when they become idle
    cdef int64_t grace_ns            # how long those may wait that begin then
    cdef readonly bint over          # applications are told that their clients have left
    cdef readonly uint64_t request_count     # requests that were begun
    cdef readonly uint64_t active_count      # those without a complete answer
    cdef readonly uint64_t body_bytes        # of answers
    cdef uint64_t* answers           # BORROWED: of the slot; by their first digit
    cdef Slot* slot                  # BORROWED: where figures are kept: &apart, or of the board
    cdef Slot apart                  # that of an engine which is no worker's
    cdef Scoreboard board            # None: the figures are in &apart
    cdef object on_request           # called for each answered request; None: the slot counts it

    cdef int take_headers(self, headers) except -1
    cdef int count_request(self) except -1
    cdef object shared_context(self, context)
    cdef int forget(self, Expiring connection) except -1
    cdef int use_local(self, local, tuple server) except -1
    cdef int take_limits(self, options) except -1
    cdef object new_task(self, coroutine, context)
    cdef bint task_is_done(self, task) except -1
    cdef bint task_has_returned(self, task) except -1
    cdef object task_exception(self, task)
    cdef int warn_of_tls(self) except -1
