"""The parser of a request line: method SP request-target SP HTTP-version CRLF."""

from libc.stdint cimport uint8_t

from ngxloop.http.head cimport Head, ParseResult

cdef ParseResult request_line_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil
