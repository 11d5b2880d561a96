"""Request: a request that an application answers, in a task of its own."""

from libc.stdint cimport int64_t

from ngxloop.core.flag cimport flag
from ngxloop.http.answer cimport Answer
from ngxloop.http.engine cimport Engine
from ngxloop.http.head cimport Head
from ngxloop.http.link cimport Link

cdef class Request(Answer):
    cdef object task                 # that of the application while it is suspended; else None
    cdef flag running                # the application has not returned
    cdef flag counted                # in the engine's active_count
    cdef object line                 # what there is from its beginning for the access log, if any
    cdef int64_t start_ns            # when its first byte came, if there is an access log

    cdef int start(self, dict scope, receive, send) except -1
    cdef int task_done(self, task) except -1
    cdef int failed(self, exc) except -1
    cdef int settle(self, bint is_explained) except -1
    cdef int send_failure(self) except -1
    cdef int note_line(self, dict scope) except -1
    cdef int begun(self) except -1
    cdef int finished(self, int status) except -1

cdef tuple kit_new(Request request)
cdef tuple kit_take(Engine engine)
cdef int kit_give(Engine engine, tuple kit, Request request) except -1
cdef int request_begin(Request request, Link link, const Head* head) except -1
cdef bint is_disconnect(exc) except -1
