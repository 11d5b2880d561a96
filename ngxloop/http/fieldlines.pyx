"""The parser of field lines: field-name ":" OWS field-value OWS CRLF (RFC 9112 5).

Rules. A line is never read beyond a limit, even if more is here: the same bytes are refused for the
same reason, however they are cut, and as early as can be. A folded line is refused, and so is a
space before the colon: others in front of us may read the one or the other differently.

How it works. A line that is here as a whole, and as it should be, is taken at once, sixteen bytes
at a time; of a known name only the end is looked for. All others go through the states, byte by
byte: those that are not complete, and those that are wrong, of which the states find the reason.
Twelve fields of a browser, 622 bytes with the request line, took 5,436 instructions through the
states alone and take 4,033; 100 fields with unknown names 29,113 and 26,867 (GCC 12, -O2). A head
of three short fields gains nothing.

Model: ngx_http_parse_header_line of nginx, which drops lines that it does not like.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr

from ngxloop.http.characters cimport (
    CLASSES,
    COLON,
    CR,
    LF,
    SPACE,
    TOKEN_BYTE,
    UNDERSCORE,
    VALUE_BYTE,
    is_blank,
)
from ngxloop.http.head cimport (
    HEAD_DONE,
    HEAD_END_LF,
    HEAD_FIELD_BLANK,
    HEAD_FIELD_LF,
    HEAD_FIELD_LINE,
    HEAD_FIELD_NAME,
    HEAD_FIELD_VALUE,
    PARSE_AGAIN,
    PARSE_DONE,
    Field,
    Head,
    ParseResult,
    head_refuse,
)
from ngxloop.http.names cimport NAME_OTHER, name_find
from ngxloop.http.refusals cimport (
    BAD_FIELD_NAME,
    BAD_FIELD_VALUE,
    BAD_FOLDED_LINE,
    BAD_LINE_END,
    BAD_SPACE_BEFORE_COLON,
    TOO_LARGE_FIELD_LINE,
    TOO_LARGE_FIELDS,
    TOO_MANY_FIELDS,
)
from ngxloop.http.scanning cimport BLOCK_SIZE, plain_count

cdef enum:
    LINE_END_SIZE = 2        # CR LF
    DELETE = 0x7F


cdef ParseResult field_lines_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    """Parse the lines that are here, the empty line at the end included."""
    cdef ParseResult result = PARSE_DONE
    while result == PARSE_DONE and head.state != HEAD_DONE:
        if head.state == HEAD_FIELD_LINE and line_take(head, data, size):
            continue
        if head.state == HEAD_END_LF:
            result = fields_end(head, data, size)
        else:
            result = line_parse(head, data, size)
    return result


cdef bint line_take(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    """Parse a line that is here as a whole and as it should be; else leave it to the states."""
    cdef size_t start = head.position, colon, value, cr, end
    cdef int name
    if head.line_count == head.limits.field_count_max:
        return False
    end = min(
        size, fields_limit(head), start + head.limits.field_line_bytes_max + LINE_END_SIZE
    )
    colon = colon_find(data, start, end)
    if colon == start or colon == end:
        return False
    name = name_find(data + start, colon - start)
    if name == NAME_OTHER and name_end(data, start, colon) != colon:
        return False
    value = colon + 1
    while value < end and is_blank(data[value]):
        value += 1
    cr = value_end(data, value, end)
    if cr + LINE_END_SIZE > end or data[cr] != CR or data[cr + 1] != LF:
        return False
    head.line_count += 1
    if not (head.limits.drops_underscores and has_underscore(data + start, colon - start)):
        field_add(head, data, start, colon, value, cr, name)
    head.position = <uint32_t>(cr + LINE_END_SIZE)
    return True


cdef size_t colon_find(const uint8_t* data, size_t position, size_t end) noexcept nogil:
    """Return the position of the first colon; end if there is none, or a control before it."""
    cdef int count = BLOCK_SIZE
    while count == BLOCK_SIZE and position + BLOCK_SIZE <= end:
        count = plain_count(data + position, SPACE + 1, COLON)
        position += count
    while position < end and data[position] > SPACE and data[position] != COLON:
        position += 1
    return position if position < end and data[position] == COLON else end


cdef ParseResult line_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    """Parse one line, or the CR of the empty line."""
    cdef ParseResult result = PARSE_DONE
    cdef size_t end
    if head.state == HEAD_FIELD_LINE:
        result = line_begin(head, data, size)
    if result != PARSE_DONE or head.state == HEAD_END_LF:
        return result
    end = line_limit(head)
    if size < end:
        end = size
    if head.state == HEAD_FIELD_NAME:
        result = name_parse(head, data, end)
    if result == PARSE_DONE and head.state == HEAD_FIELD_BLANK:
        result = blank_parse(head, data, end)
    if result == PARSE_DONE and head.state == HEAD_FIELD_VALUE:
        result = value_parse(head, data, end)
    if result == PARSE_DONE and head.state == HEAD_FIELD_LF:
        result = line_end(head, data, end)
    return result


cdef size_t fields_limit(Head* head) noexcept nogil:
    """Return the position at which all lines together are too large."""
    return <size_t>head.fields_offset + head.limits.fields_bytes_max


cdef size_t line_limit(Head* head) noexcept nogil:
    """Return the position at which this line is too large."""
    return min(
        <size_t>head.line_offset + head.limits.field_line_bytes_max + LINE_END_SIZE,
        fields_limit(head),
    )


cdef ParseResult need_bytes(Head* head, size_t end) noexcept nogil:
    """Ask for more bytes than those before end, which were all taken, unless that is the limit."""
    if end < line_limit(head):
        return PARSE_AGAIN
    if end < fields_limit(head):
        return head_refuse(head, TOO_LARGE_FIELD_LINE)
    return head_refuse(head, TOO_LARGE_FIELDS)


cdef ParseResult line_begin(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    if head.position >= fields_limit(head):
        return head_refuse(head, TOO_LARGE_FIELDS)
    if head.position == size:
        return PARSE_AGAIN
    if data[head.position] == CR:
        head.position += 1
        head.state = HEAD_END_LF
        return PARSE_DONE
    if head.line_count == head.limits.field_count_max:
        return head_refuse(head, TOO_MANY_FIELDS)
    head.line_count += 1
    head.line_offset = head.position
    head.state = HEAD_FIELD_NAME
    return PARSE_DONE


cdef ParseResult name_parse(Head* head, const uint8_t* data, size_t end) noexcept nogil:
    cdef size_t position = name_end(data, head.position, end)
    head.position = <uint32_t>position
    if position == end:
        return need_bytes(head, end)
    head.name_size = head.position - head.line_offset
    if data[position] != COLON or head.name_size == 0:
        return head_refuse(head, name_refusal(head, data[position]))
    head.position += 1
    head.state = HEAD_FIELD_BLANK
    return PARSE_DONE


cdef int name_refusal(Head* head, uint8_t byte) noexcept nogil:
    if is_blank(byte):
        return BAD_SPACE_BEFORE_COLON if head.name_size else BAD_FOLDED_LINE
    return BAD_LINE_END if byte == LF else BAD_FIELD_NAME


cdef ParseResult blank_parse(Head* head, const uint8_t* data, size_t end) noexcept nogil:
    while head.position < end and is_blank(data[head.position]):
        head.position += 1
    if head.position == end:
        return need_bytes(head, end)
    head.mark = head.position
    head.state = HEAD_FIELD_VALUE
    return PARSE_DONE


cdef ParseResult value_parse(Head* head, const uint8_t* data, size_t end) noexcept nogil:
    cdef size_t position = value_end(data, head.position, end)
    head.position = <uint32_t>position
    if position == end:
        return need_bytes(head, end)
    if data[position] != CR:
        return head_refuse(head, BAD_LINE_END if data[position] == LF else BAD_FIELD_VALUE)
    head.position += 1
    head.state = HEAD_FIELD_LF
    return PARSE_DONE


cdef size_t name_end(const uint8_t* data, size_t position, size_t end) noexcept nogil:
    """Return the position of the first byte that a name does not have, or end."""
    while position < end and CLASSES[data[position]] & TOKEN_BYTE:
        position += 1
    return position


cdef size_t value_end(const uint8_t* data, size_t position, size_t end) noexcept nogil:
    """Return the position of the first byte that a value does not have, or end."""
    cdef int count
    while position + BLOCK_SIZE <= end:
        count = plain_count(data + position, SPACE, DELETE)
        position += count
        if count < BLOCK_SIZE:
            if not CLASSES[data[position]] & VALUE_BYTE:
                return position
            position += 1    # a tab, or a byte above 0x7f
    while position < end and CLASSES[data[position]] & VALUE_BYTE:
        position += 1
    return position


cdef ParseResult line_end(Head* head, const uint8_t* data, size_t end) noexcept nogil:
    cdef const uint8_t* name
    if head.position == end:
        return need_bytes(head, end)
    if data[head.position] != LF:
        return head_refuse(head, BAD_LINE_END)
    name = data + head.line_offset
    if not (head.limits.drops_underscores and has_underscore(name, head.name_size)):
        field_add(
            head,
            data,
            head.line_offset,
            head.line_offset + head.name_size,
            head.mark,
            head.position - 1,
            name_find(name, head.name_size),
        )
    head.position += 1
    head.state = HEAD_FIELD_LINE
    return PARSE_DONE


cdef bint has_underscore(const uint8_t* name, size_t size) noexcept nogil:
    return memchr(name, UNDERSCORE, size) != NULL


cdef inline void field_add(
    Head* head,
    const uint8_t* data,
    size_t start,
    size_t colon,
    size_t value,
    size_t cr,
    int name,
) noexcept nogil:
    """Enter a line into the table: where it begins, its colon, its value and its CR are."""
    cdef Field* field = &head.fields[head.field_count]
    while cr > value and is_blank(data[cr - 1]):
        cr -= 1
    field.name_offset = <uint32_t>start
    field.name_size = <uint32_t>(colon - start)
    field.value_offset = <uint32_t>value
    field.value_size = <uint32_t>(cr - value)
    field.name = <uint8_t>name
    head.field_count += 1


cdef ParseResult fields_end(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    """Parse the LF of the empty line."""
    if head.position >= fields_limit(head):
        return head_refuse(head, TOO_LARGE_FIELDS)
    if head.position == size:
        return PARSE_AGAIN
    if data[head.position] != LF:
        return head_refuse(head, BAD_LINE_END)
    head.position += 1
    head.size = head.position
    head.state = HEAD_DONE
    return PARSE_DONE
