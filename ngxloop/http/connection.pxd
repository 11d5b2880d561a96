"""HttpConnection: the life of a connection that carries HTTP/1.1 requests."""

from libc.stdint cimport int64_t, uint64_t

from ngxloop.core.event cimport Event
from ngxloop.http.closing cimport Closing
from ngxloop.http.request cimport Request

cdef class HttpConnection(Closing):
    cdef uint64_t request_count
    cdef Event go_on                 # parses what is kept, in the next turn
    cdef int64_t begin_ns            # when the first byte of an incomplete head came

    cdef int run(self) except -1
    cdef bint run_once(self, int* started) except -1
    cdef int run_guarded(self) except -1
    cdef int settle_reading(self) except -1
    cdef bint wants_input(self) noexcept
    cdef bint parse_head(self) except -1
    cdef int begin_request(self) except -1
    cdef int start_application(self, Request request, dict scope, receive, send) except -1
    cdef int parse_body(self) except -1
    cdef int client_left(self) except -1
    cdef int finish(self) except -1
    cdef int discard(self) except -1
    cdef int next_request(self) except -1
    cdef int wait_idle(self) except -1
