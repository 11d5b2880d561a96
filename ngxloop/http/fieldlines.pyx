"""The parser of field lines: field-name ":" OWS field-value OWS CRLF (RFC 9112 5).

Rules. A line is never read beyond a limit, even if more is here: the same bytes are refused for the
same reason, however they are cut, and as early as can be. A folded line is refused, and so is a
space before the colon: others in front of us may read the one or the other differently.

Model: ngx_http_parse_header_line of nginx, which drops lines that it does not like.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memchr

from ngxloop.http.characters cimport (
    CLASSES,
    COLON,
    CR,
    LF,
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
from ngxloop.http.names cimport name_find
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
from ngxloop.http.scanning cimport WORD_SIZE, bytes_below, bytes_equal, first_marked, word_at

cdef enum:
    LINE_END_SIZE = 2        # CR LF
    DELETE = 0x7F
    FIRST_VALUE_BYTE = 0x20  # all below are controls; the tab is an exception


cdef ParseResult field_lines_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    """Parse the lines that are here, the empty line at the end included."""
    cdef ParseResult result = PARSE_DONE
    while result == PARSE_DONE and head.state != HEAD_DONE:
        if head.state == HEAD_END_LF:
            result = fields_end(head, data, size)
        else:
            result = line_parse(head, data, size)
    return result


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
    cdef size_t position = head.position
    while position < end and CLASSES[data[position]] & TOKEN_BYTE:
        position += 1
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


cdef size_t value_end(const uint8_t* data, size_t position, size_t end) noexcept nogil:
    """Return the position of the first byte that a value does not have, or end."""
    cdef uint64_t word, marks
    while position + WORD_SIZE <= end:
        word = word_at(data + position)
        marks = bytes_below(word, FIRST_VALUE_BYTE) | bytes_equal(word, DELETE)
        if marks == 0:
            position += WORD_SIZE
            continue
        position += first_marked(marks)
        if not CLASSES[data[position]] & VALUE_BYTE:
            return position
        position += 1    # a tab
    while position < end and CLASSES[data[position]] & VALUE_BYTE:
        position += 1
    return position


cdef ParseResult line_end(Head* head, const uint8_t* data, size_t end) noexcept nogil:
    if head.position == end:
        return need_bytes(head, end)
    if data[head.position] != LF:
        return head_refuse(head, BAD_LINE_END)
    field_add(head, data)
    head.position += 1
    head.state = HEAD_FIELD_LINE
    return PARSE_DONE


cdef void field_add(Head* head, const uint8_t* data) noexcept nogil:
    """Enter the line into the table; position is at its LF."""
    cdef const uint8_t* name = data + head.line_offset
    cdef uint32_t value_end = head.position - 1
    cdef Field* field = &head.fields[head.field_count]
    if head.limits.drops_underscores and memchr(name, UNDERSCORE, head.name_size) != NULL:
        return
    while value_end > head.mark and is_blank(data[value_end - 1]):
        value_end -= 1
    field.name_offset = head.line_offset
    field.name_size = head.name_size
    field.value_offset = head.mark
    field.value_size = value_end - head.mark
    field.name = <uint8_t>name_find(name, head.name_size)
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
