"""The parser of a request's head: the request line, the field lines, what they say of the body."""

from libc.stdint cimport uint8_t

from ngxloop.http.head cimport Field, Head, HeadLimits, ParseResult

cdef void head_limits_init(HeadLimits* limits) noexcept nogil
cdef void head_init(Head* head, Field* fields, const HeadLimits* limits) noexcept nogil
# data: the first byte of the request; size: all that is here of it and behind it.
cdef ParseResult head_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil
