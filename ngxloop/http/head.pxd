"""Head: the head of a request as the parsers leave it, with the state in which they go on.

Rules. All offsets count from `data`, the first byte that was given to head_parse() for this
request; the memory may move between two calls, the bytes may not change. A head has no memory of
its own: names, values and the target are where they were received, the table of fields is the
caller's. What the parsers have not come to is zero.

Model: ngx_http_request_t of nginx, of which ngx_http_parse.c fills the same kind of members.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint32_t, uint64_t

cdef enum ParseResult:
    PARSE_REFUSED = -1       # the reason is in `refusal`; nothing may be parsed any more
    PARSE_AGAIN = 0          # all bytes are taken; call again with more
    PARSE_DONE = 1
    PARSE_DATA = 2           # a piece of a body; call again, if only for the next one

cdef enum HeadState:
    HEAD_START = 0           # no byte yet, or empty lines: the client has not asked for anything
    HEAD_START_LF            # after the CR of an empty line
    HEAD_METHOD
    HEAD_TARGET
    HEAD_TARGET_PATH         # in an origin-form
    HEAD_TARGET_QUERY        # behind the `?` of an origin-form
    HEAD_TARGET_OTHER        # in another form, which is taken apart at its end
    HEAD_VERSION             # at the first byte of the version: it is read at once, to the LF
    HEAD_FIELD_LINE          # at the first byte of a field line, or of the empty line
    HEAD_FIELD_NAME
    HEAD_FIELD_BLANK         # between the colon and the value
    HEAD_FIELD_VALUE
    HEAD_FIELD_LF            # after the CR of a field line
    HEAD_END_LF              # after the CR of the empty line
    HEAD_DONE

cdef enum Method:
    METHOD_OTHER = 0
    METHOD_GET
    METHOD_HEAD
    METHOD_POST
    METHOD_PUT
    METHOD_DELETE
    METHOD_CONNECT
    METHOD_OPTIONS
    METHOD_TRACE
    METHOD_PATCH

cdef enum TargetForm:
    TARGET_ORIGIN = 0        # /path?query
    TARGET_ABSOLUTE          # scheme://authority/path?query
    TARGET_ASTERISK          # *, with OPTIONS alone
    TARGET_AUTHORITY         # host:port, with CONNECT alone, which is refused

cdef struct Span:
    uint32_t offset
    uint32_t size

cdef struct Field:
    uint32_t name_offset
    uint32_t value_offset
    uint32_t value_size      # without the blanks around it
    uint32_t name_size
    uint8_t name             # KnownName, NAME_OTHER if it is none; names.pxd

# The sizes are 2^30 at most, so that every position in a head is a number of 32 bits.
cdef struct HeadLimits:
    uint32_t target_bytes_max
    uint32_t field_line_bytes_max
    uint32_t fields_bytes_max
    uint32_t field_count_max
    uint64_t body_bytes_max  # 0: no limit
    uint8_t drops_underscores    # fields with `_` in their names are left out of the table

cdef struct Head:
    # --- The caller's; may be exchanged between two calls, with its content
    Field* fields            # BORROWS: limits.field_count_max entries
    const HeadLimits* limits     # BORROWS

    # --- the parsers'
    uint32_t position        # bytes that are parsed
    uint32_t mark            # where the token begins that is being parsed
    uint32_t fields_offset   # where the first field line begins
    uint32_t line_offset     # where the field line begins that is being parsed
    uint32_t name_size       # of that line
    uint32_t line_count      # field lines so far, those included that were left out
    uint8_t state            # HeadState
    uint8_t empty_line_count

    # --- the result
    int32_t refusal          # Refusal; NOT_REFUSED while there is none
    uint32_t field_count     # entries of fields
    Span method
    Span target              # as received
    Span authority           # of an absolute-form: what replaces Host; else empty
    Span path                # raw; an absolute-form without a path has an empty one, meant is `/`
    Span query               # without the `?`
    uint8_t method_id        # Method
    uint8_t target_form      # TargetForm
    uint8_t minor_version    # 0 or 1
    uint8_t path_has_percent     # path contains `%`: it has to be decoded
    uint8_t has_query        # there is a `?`, if only an empty query behind it
    # from here on set once the head is complete
    uint32_t size            # bytes of the head: the body begins behind them
    int64_t content_length   # -1: no Content-Length
    uint8_t is_chunked
    uint8_t keeps_alive      # the connection may persist: RFC 9112 9.3
    uint8_t expects_continue     # Expect: 100-continue; never in HTTP/1.0
    uint8_t wants_upgrade    # Connection: upgrade and an Upgrade; never in HTTP/1.0
    uint8_t wants_websocket  # so, and Upgrade names `websocket`
    uint8_t takes_trailers   # TE names `trailers`


cdef inline ParseResult head_refuse(Head* head, int refusal) noexcept nogil:
    head.refusal = refusal
    return PARSE_REFUSED
