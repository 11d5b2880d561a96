"""What the fields of a head say of its body and of the connection (RFC 9112 3.2, 6, 9).

Rules. There is one length of a body, or none: a request of which two servers could read the end at
different places is refused. So one Content-Length of digits alone, or one Transfer-Encoding that is
exactly `chunked`, and never both; HTTP/1.0 has no Transfer-Encoding. Names and words are compared
as bytes, with only A to Z and a to z taken as equal.

Model: ngx_http_process_request_header of nginx.
"""

from libc.stdint cimport INT64_MAX, int64_t, uint8_t, uint64_t

from ngxloop.http.characters cimport is_digit
from ngxloop.http.head cimport Field, Head
from ngxloop.http.limits cimport CONTENT_LENGTH_DIGITS_MAX
from ngxloop.http.lists cimport List, element_is, is_word, list_next
from ngxloop.http.names cimport (
    NAME_CONNECTION,
    NAME_CONTENT_LENGTH,
    NAME_EXPECT,
    NAME_HOST,
    NAME_LAST_CHECKED,
    NAME_OTHER,
    NAME_TE,
    NAME_TRANSFER_ENCODING,
    NAME_UPGRADE,
)
from ngxloop.http.refusals cimport (
    BAD_CODING_IN_1_0,
    BAD_CODING_REPEATED,
    BAD_CONTENT_LENGTH,
    BAD_CONTENT_LENGTH_REPEATED,
    BAD_HOST,
    BAD_HOST_MISSING,
    BAD_HOST_REPEATED,
    BAD_TWO_LENGTHS,
    FAILED_EXPECTATION,
    NOT_IMPLEMENTED_CODING,
    NOT_REFUSED,
    TOO_LARGE_BODY,
)
from ngxloop.http.targets cimport host_is_valid

cdef enum Said:
    SAID_HOST = 1
    SAID_CODING = 2              # a Transfer-Encoding
    SAID_CHUNKED = 4             # which is exactly `chunked`
    SAID_CLOSE = 8               # as an option of Connection, and so the next two
    SAID_KEEP_ALIVE = 16
    SAID_UPGRADE = 32
    SAID_PROTOCOL = 64           # in Upgrade
    SAID_WEBSOCKET = 128
    SAID_CONTINUE = 256          # Expect: 100-continue
    SAID_EXPECTATION = 512       # any other
    SAID_TRAILERS = 1024         # TE: trailers


cdef int framing_check(Head* head, const uint8_t* data) noexcept nogil:
    cdef int said = 0, i, refusal
    cdef Field* field
    head.content_length = -1
    for i in range(head.field_count):
        field = &head.fields[i]
        if field.name == NAME_OTHER or field.name > NAME_LAST_CHECKED:
            continue
        refusal = field_check(head, field, data + field.value_offset, &said)
        if refusal:
            return refusal
    refusal = host_check(head, said)
    if refusal == NOT_REFUSED:
        refusal = length_check(head, said)
    if refusal == NOT_REFUSED:
        refusal = options_check(head, said)
    return refusal


cdef int field_check(Head* head, Field* field, const uint8_t* value, int* said) noexcept nogil:
    """Note what one field says; return why it cannot be, whatever the others say."""
    if field.name == NAME_HOST:
        if has(said[0], SAID_HOST):
            return BAD_HOST_REPEATED
        said[0] |= SAID_HOST
        # An empty one is right where the target has no authority. RFC 9110 7.2.
        if field.value_size and not host_is_valid(value, field.value_size):
            return BAD_HOST
    elif field.name == NAME_CONTENT_LENGTH:
        if head.content_length >= 0:
            return BAD_CONTENT_LENGTH_REPEATED
        head.content_length = number_read(value, field.value_size)
        if head.content_length < 0:
            return BAD_CONTENT_LENGTH
    elif field.name == NAME_TRANSFER_ENCODING:
        if has(said[0], SAID_CODING):
            return BAD_CODING_REPEATED
        said[0] |= SAID_CODING
        if is_word(value, field.value_size, b"chunked"):
            said[0] |= SAID_CHUNKED
    else:
        said[0] |= words_read(field, value)
    return NOT_REFUSED


cdef int64_t number_read(const uint8_t* digits, size_t size) noexcept nogil:
    """Return the number that the digits say, -1 if it is none or above 2^63 - 1."""
    cdef uint64_t number = 0
    cdef size_t i
    if size == 0 or size > CONTENT_LENGTH_DIGITS_MAX:
        return -1
    for i in range(size):
        if not is_digit(digits[i]):
            return -1
        number = number * 10 + (digits[i] & 0x0F)
    return <int64_t>number if number <= <uint64_t>INT64_MAX else -1


cdef int words_read(Field* field, const uint8_t* value) noexcept nogil:
    """Return what a field that is a list of words says."""
    cdef List words
    cdef int said = 0
    words.position = value
    words.end = value + field.value_size
    while list_next(&words):
        if field.name == NAME_CONNECTION:
            said |= connection_option(&words)
        elif field.name == NAME_UPGRADE:
            said |= SAID_PROTOCOL
            if element_is(&words, b"websocket"):
                said |= SAID_WEBSOCKET
        elif field.name == NAME_EXPECT:
            said |= SAID_CONTINUE if element_is(&words, b"100-continue") else SAID_EXPECTATION
        elif field.name == NAME_TE and element_is(&words, b"trailers"):
            said |= SAID_TRAILERS
    return said


cdef int connection_option(const List* words) noexcept nogil:
    if element_is(words, b"close"):
        return SAID_CLOSE
    if element_is(words, b"keep-alive"):
        return SAID_KEEP_ALIVE
    return SAID_UPGRADE if element_is(words, b"upgrade") else 0


cdef int host_check(Head* head, int said) noexcept nogil:
    if head.minor_version and not has(said, SAID_HOST):
        return BAD_HOST_MISSING
    return NOT_REFUSED


cdef int length_check(Head* head, int said) noexcept nogil:
    if has(said, SAID_CODING):
        if head.content_length >= 0:
            return BAD_TWO_LENGTHS
        if head.minor_version == 0:
            return BAD_CODING_IN_1_0
        if not has(said, SAID_CHUNKED):
            return NOT_IMPLEMENTED_CODING
        head.is_chunked = True
    elif head.limits.body_bytes_max and head.content_length > 0:
        if <uint64_t>head.content_length > head.limits.body_bytes_max:
            return TOO_LARGE_BODY
    return NOT_REFUSED


cdef int options_check(Head* head, int said) noexcept nogil:
    """Take what concerns the connection; an expectation and an upgrade are ignored in HTTP/1.0."""
    cdef bint closes = has(said, SAID_CLOSE)
    if head.minor_version == 0:
        head.keeps_alive = has(said, SAID_KEEP_ALIVE) and not closes
        return NOT_REFUSED
    if has(said, SAID_EXPECTATION):
        return FAILED_EXPECTATION
    head.keeps_alive = not closes
    head.expects_continue = has(said, SAID_CONTINUE)
    head.wants_upgrade = has(said, SAID_UPGRADE | SAID_PROTOCOL)
    head.wants_websocket = head.wants_upgrade and has(said, SAID_WEBSOCKET)
    head.takes_trailers = has(said, SAID_TRAILERS)
    return NOT_REFUSED


cdef bint has(int said, int bits) noexcept nogil:
    return said & bits == bits
