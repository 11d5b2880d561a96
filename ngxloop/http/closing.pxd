"""Closing: the states of an HTTP connection, its deadlines, and its end."""

from libc.stdint cimport int64_t

from ngxloop.http.request cimport Request
from ngxloop.http.unparsed cimport Unparsed

# See TRANSITIONS in closing.pyx.
cdef enum ConnectionState:
    HTTP_WAITING = 0
    HTTP_HEAD
    HTTP_IDLE
    HTTP_HANDLING
    HTTP_SENDING
    HTTP_DISCARDING
    HTTP_REFUSING
    HTTP_LINGERING
    HTTP_CLOSED
    HTTP_UPGRADED

cdef enum:
    CLIENT_LEFT = 499        # for the access log: nobody has seen the whole answer. nginx

cdef class Closing(Unparsed):
    cdef ConnectionState state
    cdef Request request             # that whose answer or body is under way, or None
    # deadlines, besides those of the request; 0: none
    cdef int64_t state_ns            # of the state
    cdef int64_t send_ns             # the client must have taken something
    cdef Py_ssize_t unsent_bytes     # what waited when send_ns was set

    cdef int move(self, ConnectionState state) except -1
    cdef int wait_first(self) except -1
    cdef int make_reusable(self) except -1
    cdef int stand_busy(self) except -1
    cdef int close(self) except -1
    cdef int linger(self, int64_t bytes_max=*) except -1
    cdef int abort(self) except -1
    cdef int leave(self) except -1
    cdef int abandon(self, Request request) except -1
    cdef int refuse(self, int status) except -1
    cdef int send_refusal(self, int status) except -1
    cdef int log_refusal(self, int status) except -1
    cdef int forget_deadlines(self) except -1
    cdef int last_output(self) except -1
    cdef int set_deadlines(self) except -1
    cdef int watch_output(self) except -1
    cdef int state_deadline_passed(self) except -1
