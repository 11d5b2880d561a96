"""Inbound: what a request brings its application: the body, and the news that the client left."""

from libc.stdint cimport int64_t

from ngxloop.core.flag cimport flag
from ngxloop.http.awaitables cimport WaitedFor
from ngxloop.http.body cimport Body
from ngxloop.http.link cimport Link

cdef class Inbound(WaitedFor):
    cdef Link link
    cdef Body body                   # the parser
    cdef bytes piece                 # what was received and not taken; None without any
    cdef list pieces                 # the same, and what came behind it; None without more
    cdef Py_ssize_t piece_bytes      # of all of it
    # deadlines of its connection; 0: none
    cdef int64_t held_ns             # a head that is held back leaves
    cdef int64_t body_ns             # some of the body must have come
    cdef int64_t end_ns              # of discarding, altogether
    cdef flag body_ended             # all of it is received
    cdef flag end_taken              # the application has it all: more_body was False
    cdef flag awaits_continue        # the client sends the body once we agree: 100-continue
    cdef flag over                   # receive() has http.disconnect: answered, or the client left

    cdef int add_piece(self, const char* data, Py_ssize_t size) except -1
    cdef int drop_pieces(self) except -1
    cdef object message(self)
    cdef object take_body(self)
