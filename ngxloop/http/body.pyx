"""Body: the parser of a request's body, by its length or by its chunks (RFC 9112 6.2, 7.1).

Rules. Sizes are hexadecimal digits and nothing else, without a blank behind them; lines end with
CRLF. Extensions are passed over. The trailer is held to the rules of the head, and to its limits
together with it, and dropped. Fields that decide framing are refused there, as a proxy may have
taken them over into the head.

Model: ngx_http_parse_chunked of nginx. Here lines of sizes and the trailer are read byte by byte:
nothing of them is kept, so that nothing has to stay in memory.
"""

from libc.stdint cimport INT64_MAX, uint8_t, uint64_t
from libc.string cimport memset

from ngxloop.http.characters cimport (
    CLASSES,
    COLON,
    CR,
    HEX_DIGIT,
    HEX_VALUES,
    LF,
    LOWER_CASE,
    SEMICOLON,
    TOKEN_BYTE,
    VALUE_BYTE,
    is_blank,
)
from ngxloop.http.head cimport (
    PARSE_AGAIN,
    PARSE_DATA,
    PARSE_DONE,
    PARSE_REFUSED,
    Head,
    ParseResult,
)
from ngxloop.http.limits cimport CHUNK_EXTENSIONS_BYTES_MAX, CHUNK_SIZE_DIGITS_MAX
from ngxloop.http.names cimport (
    NAME_CONTENT_LENGTH,
    NAME_HOST,
    NAME_TRANSFER_ENCODING,
    name_find,
)
from ngxloop.http.refusals cimport (
    BAD_CHUNK_END,
    BAD_CHUNK_EXTENSION,
    BAD_CHUNK_EXTENSIONS_SIZE,
    BAD_CHUNK_SIZE,
    BAD_FIELD_NAME,
    BAD_FIELD_VALUE,
    BAD_FOLDED_LINE,
    BAD_LINE_END,
    BAD_SPACE_BEFORE_COLON,
    BAD_TRAILER_NAME,
    NOT_REFUSED,
    TOO_LARGE_BODY,
    TOO_LARGE_FIELD_LINE,
    TOO_LARGE_FIELDS,
    TOO_MANY_FIELDS,
)


cdef void body_init(Body* body, const Head* head) noexcept nogil:
    memset(body, 0, sizeof(Body))
    body.limits = head.limits
    body.fields_bytes = head.size - head.fields_offset
    body.line_count = head.line_count
    if head.is_chunked:
        body.state = CHUNK_SIZE_START
    elif head.content_length > 0:
        body.remaining = <uint64_t>head.content_length
        body.state = BODY_LENGTH
    else:
        body.state = BODY_DONE


cdef ParseResult body_parse(Body* body, const uint8_t* data, size_t size) noexcept nogil:
    body.consumed = 0
    body.piece_size = 0
    if body.state == BODY_DONE:
        return PARSE_DONE
    if body.state == BODY_LENGTH:
        return length_parse(body, size)
    return chunks_parse(body, data, size)


cdef ParseResult piece_take(Body* body, size_t size) noexcept nogil:
    """Hand out what is here of the content, size bytes at most, of which there is one at least."""
    body.piece_offset = body.consumed
    body.piece_size = <size_t>min(size, body.remaining)
    body.consumed += body.piece_size
    body.remaining -= body.piece_size
    return PARSE_DATA


cdef ParseResult length_parse(Body* body, size_t size) noexcept nogil:
    if body.remaining == 0:
        body.state = BODY_DONE
        return PARSE_DONE
    return piece_take(body, size) if size else PARSE_AGAIN


cdef ParseResult chunks_parse(Body* body, const uint8_t* data, size_t size) noexcept nogil:
    while body.consumed < size:
        if body.state == CHUNK_DATA:
            return data_parse(body, size)
        body.refusal = byte_parse(body, data[body.consumed])
        if body.refusal:
            return PARSE_REFUSED
        body.consumed += 1
        if body.state == BODY_DONE:
            return PARSE_DONE
    return PARSE_AGAIN


cdef ParseResult data_parse(Body* body, size_t size) noexcept nogil:
    """Hand out what is here of a chunk; the state is left with its last byte."""
    piece_take(body, size - body.consumed)
    if body.remaining == 0:
        body.state = CHUNK_DATA_CR
    return PARSE_DATA


cdef int byte_parse(Body* body, uint8_t byte) noexcept nogil:
    """Take one byte that is no content; return why it is refused."""
    if body.state >= TRAILER_LINE:
        return trailer_byte(body, byte)
    if body.state == CHUNK_SIZE_START or body.state == CHUNK_SIZE:
        return size_byte(body, byte)
    if body.state == CHUNK_EXTENSION:
        return extension_byte(body, byte)
    if body.state == CHUNK_SIZE_LF:
        return size_end(body, byte)
    if body.state == CHUNK_DATA_CR:
        body.state = CHUNK_DATA_LF
        return NOT_REFUSED if byte == CR else BAD_CHUNK_END
    body.state = CHUNK_SIZE_START
    return NOT_REFUSED if byte == LF else BAD_CHUNK_END


cdef int size_byte(Body* body, uint8_t byte) noexcept nogil:
    if CLASSES[byte] & HEX_DIGIT:
        if body.digit_count == CHUNK_SIZE_DIGITS_MAX:
            return BAD_CHUNK_SIZE
        body.digit_count += 1
        body.remaining = body.remaining << 4 | HEX_VALUES[byte]
        body.state = CHUNK_SIZE
        return NOT_REFUSED
    if body.state == CHUNK_SIZE_START:
        return BAD_CHUNK_SIZE
    if byte == CR:
        body.state = CHUNK_SIZE_LF
        return NOT_REFUSED
    if byte == SEMICOLON:
        body.state = CHUNK_EXTENSION
        return extension_count(body)
    return BAD_LINE_END if byte == LF else BAD_CHUNK_SIZE


cdef int extension_byte(Body* body, uint8_t byte) noexcept nogil:
    if byte == CR:
        body.state = CHUNK_SIZE_LF
        return NOT_REFUSED
    if not CLASSES[byte] & VALUE_BYTE:
        return BAD_LINE_END if byte == LF else BAD_CHUNK_EXTENSION
    return extension_count(body)


cdef int extension_count(Body* body) noexcept nogil:
    body.extension_bytes += 1
    if body.extension_bytes > CHUNK_EXTENSIONS_BYTES_MAX:
        return BAD_CHUNK_EXTENSIONS_SIZE
    return NOT_REFUSED


cdef int size_end(Body* body, uint8_t byte) noexcept nogil:
    """Take the LF of a size, and begin with what follows: data, or the trailer after size 0."""
    cdef uint64_t size = body.remaining
    if byte != LF:
        return BAD_LINE_END
    body.digit_count = 0
    if size == 0:
        body.state = TRAILER_LINE
        return NOT_REFUSED
    if size > <uint64_t>INT64_MAX - body.total:
        return BAD_CHUNK_SIZE
    body.total += size
    if body.limits.body_bytes_max and body.total > body.limits.body_bytes_max:
        return TOO_LARGE_BODY
    body.state = CHUNK_DATA
    return NOT_REFUSED


cdef int trailer_byte(Body* body, uint8_t byte) noexcept nogil:
    """Take one byte of the trailer, as fieldlines.pyx does those of the head."""
    if body.fields_bytes >= body.limits.fields_bytes_max:
        return TOO_LARGE_FIELDS
    body.fields_bytes += 1
    if body.state == TRAILER_LINE:
        return line_begin(body, byte)
    if body.state == TRAILER_END_LF:
        body.state = BODY_DONE
        return NOT_REFUSED if byte == LF else BAD_LINE_END
    if body.state == TRAILER_LF:
        body.state = TRAILER_LINE
        return NOT_REFUSED if byte == LF else BAD_LINE_END
    if body.state == TRAILER_NAME:
        return name_byte(body, byte)
    return value_byte(body, byte)


cdef int line_begin(Body* body, uint8_t byte) noexcept nogil:
    if byte == CR:
        body.state = TRAILER_END_LF
        return NOT_REFUSED
    if body.line_count >= body.limits.field_count_max:
        return TOO_MANY_FIELDS
    body.line_count += 1
    body.line_bytes = 0
    body.name_size = 0
    body.state = TRAILER_NAME
    return name_byte(body, byte)


cdef int line_count_byte(Body* body) noexcept nogil:
    body.line_bytes += 1
    if body.line_bytes > body.limits.field_line_bytes_max:
        return TOO_LARGE_FIELD_LINE
    return NOT_REFUSED


cdef int name_byte(Body* body, uint8_t byte) noexcept nogil:
    if CLASSES[byte] & TOKEN_BYTE:
        if body.name_size < sizeof(body.name):
            body.name[body.name_size] = LOWER_CASE[byte]
        body.name_size += 1
        return line_count_byte(body)
    if byte == COLON and body.name_size:
        if is_framing_name(body):
            return BAD_TRAILER_NAME
        body.state = TRAILER_VALUE
        return line_count_byte(body)
    if is_blank(byte):
        return BAD_SPACE_BEFORE_COLON if body.name_size else BAD_FOLDED_LINE
    return BAD_LINE_END if byte == LF else BAD_FIELD_NAME


cdef bint is_framing_name(const Body* body) noexcept nogil:
    if body.name_size > sizeof(body.name):
        return False
    return name_find(body.name, body.name_size) in (
        NAME_HOST, NAME_CONTENT_LENGTH, NAME_TRANSFER_ENCODING
    )


cdef int value_byte(Body* body, uint8_t byte) noexcept nogil:
    if CLASSES[byte] & VALUE_BYTE:
        return line_count_byte(body)
    if byte == CR:
        body.state = TRAILER_LF
        return NOT_REFUSED
    return BAD_LINE_END if byte == LF else BAD_FIELD_VALUE
