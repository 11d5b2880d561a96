"""The head of an answer: an application's fields, checked and written into memory."""

from libc.stdint cimport int64_t

cdef struct HeadText:
    char* memory             # OWNS; NULL while there is none
    Py_ssize_t size
    Py_ssize_t capacity

cdef struct HeadFacts:
    int64_t content_length   # what the application gave; -1: nothing
    bint closes              # the application wants the connection closed
    bint has_server
    bint has_date

cdef int head_write(HeadText* head, HeadFacts* facts, int status, headers) except -1
cdef int head_write_fields(HeadText* head, headers) except -1
cdef int head_add(HeadText* head, const char* text, Py_ssize_t size) except -1
cdef int head_add_length(HeadText* head, int64_t length) except -1
cdef int head_add_chunk_size(HeadText* head, int64_t size) except -1
cdef void head_free(HeadText* head) noexcept
