"""The parser of a request's head: the request line, the field lines, what they say of the body."""

from libc.stdint cimport uint8_t
from libc.string cimport memset

from ngxloop.http.fieldlines cimport field_lines_parse
from ngxloop.http.framing cimport framing_check
from ngxloop.http.head cimport (
    HEAD_FIELD_LINE,
    PARSE_DONE,
    Field,
    Head,
    HeadLimits,
    ParseResult,
    head_refuse,
)
from ngxloop.http.limits cimport (
    FIELD_COUNT_MAX,
    FIELD_LINE_BYTES_MAX,
    FIELDS_BYTES_MAX,
    TARGET_BYTES_MAX,
)
from ngxloop.http.requestline cimport request_line_parse


cdef void head_limits_init(HeadLimits* limits) noexcept nogil:
    limits.target_bytes_max = TARGET_BYTES_MAX
    limits.field_line_bytes_max = FIELD_LINE_BYTES_MAX
    limits.fields_bytes_max = FIELDS_BYTES_MAX
    limits.field_count_max = FIELD_COUNT_MAX
    limits.body_bytes_max = 0
    limits.drops_underscores = False


cdef void head_init(Head* head, Field* fields, const HeadLimits* limits) noexcept nogil:
    memset(head, 0, sizeof(Head))
    head.fields = fields
    head.limits = limits


cdef ParseResult head_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    cdef ParseResult result = PARSE_DONE
    cdef int refusal
    if head.state < HEAD_FIELD_LINE:
        result = request_line_parse(head, data, size)
    if result == PARSE_DONE:
        result = field_lines_parse(head, data, size)
    if result == PARSE_DONE:
        refusal = framing_check(head, data)
        if refusal:
            return head_refuse(head, refusal)
    return result
