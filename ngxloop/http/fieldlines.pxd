"""The parser of field lines: field-name ":" OWS field-value OWS CRLF, and of their end."""

from libc.stdint cimport uint8_t

from ngxloop.http.head cimport Head, ParseResult

cdef ParseResult field_lines_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil
