"""Answer: what an application sends in answer to a request."""

from libc.stdint cimport int64_t

from ngxloop.core.flag cimport flag
from ngxloop.http.answerhead cimport HeadFacts, HeadText
from ngxloop.http.inbound cimport Inbound
from ngxloop.http.messages cimport Message

cdef enum AnswerState:
    ANSWER_NEW = 0           # nothing yet
    ANSWER_HELD              # begun; the head waits for the first of the body
    ANSWER_STREAMING         # the head is sent
    ANSWER_DONE
    ANSWER_GONE              # the client is: nobody receives it

cdef class Answer(Inbound):
    cdef AnswerState state
    cdef HeadText head
    cdef HeadFacts facts
    cdef int status                  # 0 before the beginning
    cdef list header_fields          # what the application gave, if there is an access log
    cdef int64_t remaining           # bytes of the body to come by its Content-Length; -1: unknown
    cdef int64_t body_bytes          # what the application has sent of the body
    cdef flag is_head                # the method is HEAD
    cdef flag is_1_0                 # HTTP/1.0: no chunks, no interim answers
    cdef flag takes_trailers         # the client said so
    cdef flag chunked
    cdef flag bodiless               # no body follows the head, whatever the application sends
    cdef flag awaits_trailers        # trailers follow the body, as the application announced
    cdef list trailers               # those that are here; None without any
    cdef flag body_done              # and the body is complete
    cdef flag keeps_alive            # the client wants the connection to persist
    cdef flag persists               # it does: the head said so

    cdef int move(self, AnswerState state) except -1
    cdef int begin(self, const Message* fields) except -1
    cdef int send_body(self, const Message* fields) except -1
    cdef int add_body(self, bytes body, bint more) except -1
    cdef int end_head(self, Py_ssize_t size, bint more) except -1
    cdef int add_framing(self, Py_ssize_t size, bint more) except -1
    cdef int send_head(self) except -1
    cdef int emit(self, bytes body, const char* suffix, Py_ssize_t suffix_size) except -1
    cdef int emit_head(self) except -1
    cdef int emit_large(self, bytes body, const char* suffix, Py_ssize_t suffix_size) except -1
    cdef int send_chunk(self, bytes body, bint last) except -1
    cdef int done(self) except -1
    cdef int cut_short(self) except -1
    cdef int leave(self) except -1
    cdef object send_other(self, kind, message)
    cdef int send_hint(self, message) except -1
    cdef int send_trailers(self, message) except -1
    cdef int check_length(self, Py_ssize_t size, bint more) except -1
