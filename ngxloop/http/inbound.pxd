"""Inbound: what a request brings its application: the body, and the news that the client left."""

from ngxloop.http.awaitables cimport WaitedFor
from ngxloop.http.body cimport Body
from ngxloop.http.link cimport Link

cdef class Inbound(WaitedFor):
    cdef Link link
    cdef Body body                   # the parser
    cdef list pieces                 # bytes that were received and not taken; None without any
    cdef Py_ssize_t piece_bytes
    cdef bint body_ended             # all of it is received
    cdef bint end_taken              # the application has it all: more_body was False
    cdef bint awaits_continue        # the client sends the body once we agree: 100-continue
    cdef bint over                   # receive() has http.disconnect: answered, or the client left

    cdef int add_piece(self, const char* data, Py_ssize_t size) except -1
    cdef object message(self)
    cdef object take_body(self)
