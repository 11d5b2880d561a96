"""Unparsed: what a connection has received and not parsed."""

from ngxloop.http.head cimport Field, Head
from ngxloop.http.link cimport Link

# A head of which more is to come, with its part of the table of fields behind it.
cdef struct Unfinished:
    Head head
    Field[1] fields

cdef class Unparsed(Link):
    cdef const char* input           # what is not parsed: BORROWS from receive(), or is in `kept`
    cdef Py_ssize_t input_size
    cdef char* kept                  # OWNS: memory for input beyond receive(); NULL without any
    cdef Py_ssize_t kept_capacity
    cdef Unfinished* unfinished      # OWNS: the head that input begins with; NULL without one

    cdef int input_add(self, const char* data, Py_ssize_t size) except -1
    cdef int input_keep(self) except -1
    cdef int input_reserve(self, Py_ssize_t size) except -1
    cdef void input_drop(self) noexcept
    cdef void input_consume(self, Py_ssize_t size) noexcept
    cdef int head_begin(self) except -1
    cdef int head_keep(self) except -1
