"""The parser of a request line: method SP request-target SP HTTP-version CRLF (RFC 9112 3).

Rules. Each part runs to its own end or to the end of the bytes, and goes on there with the next
ones; only the version, ten bytes with its line end, is read anew. A part is never read beyond its
limit, even if more is here: the same bytes are refused for the same reason, however they are cut.

Model: ngx_http_parse_request_line of nginx, which tolerates more: several spaces, HTTP/0.9, and LF
alone as a line end.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcmp

from ngxloop.http.characters cimport (
    CLASSES,
    CR,
    LF,
    METHOD_BYTE,
    PATH_BYTE,
    PERCENT,
    QUESTION_MARK,
    SLASH,
    SPACE,
    TARGET_BYTE,
    TLS_HANDSHAKE,
    is_digit,
)
from ngxloop.http.head cimport (
    HEAD_FIELD_LINE,
    HEAD_METHOD,
    HEAD_START,
    HEAD_START_LF,
    HEAD_TARGET,
    HEAD_TARGET_OTHER,
    HEAD_TARGET_PATH,
    HEAD_TARGET_QUERY,
    HEAD_VERSION,
    METHOD_CONNECT,
    METHOD_DELETE,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_OPTIONS,
    METHOD_OTHER,
    METHOD_PATCH,
    METHOD_POST,
    METHOD_PUT,
    METHOD_TRACE,
    PARSE_AGAIN,
    PARSE_DONE,
    Head,
    Method,
    ParseResult,
    head_refuse,
)
from ngxloop.http.limits cimport EMPTY_LINE_COUNT_MAX, METHOD_BYTES_MAX
from ngxloop.http.refusals cimport (
    BAD_EMPTY_LINES,
    BAD_LINE_END,
    BAD_METHOD,
    BAD_TARGET,
    BAD_TARGET_BYTE,
    BAD_TLS_HELLO,
    BAD_VERSION,
    NOT_IMPLEMENTED_METHOD,
    NOT_REFUSED,
    NOT_SUPPORTED_VERSION,
    TOO_LONG_TARGET,
)
from ngxloop.http.targets cimport target_check

cdef enum:
    VERSION_SIZE = 10        # HTTP/1.1 CR LF
    VERSION_NAME_SIZE = 5    # HTTP/
    VERSION_MAJOR = 5        # where its digits stand
    VERSION_DOT = 6
    VERSION_MINOR = 7
    VERSION_CR = 8


cdef ParseResult request_line_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    cdef ParseResult result = PARSE_DONE
    if head.state <= HEAD_START_LF:
        result = empty_lines_parse(head, data, size)
    if result == PARSE_DONE and head.state == HEAD_METHOD:
        result = method_parse(head, data, size)
    if result == PARSE_DONE and head.state == HEAD_TARGET:
        result = target_begin(head, data, size)
    if result == PARSE_DONE and head.state == HEAD_TARGET_PATH:
        result = path_parse(head, data, size)
    if result == PARSE_DONE and head.state in (HEAD_TARGET_QUERY, HEAD_TARGET_OTHER):
        result = query_parse(head, data, size)
    if result == PARSE_DONE and head.state == HEAD_VERSION:
        result = version_parse(head, data, size)
    return result


cdef ParseResult empty_lines_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    """Pass over empty lines, to the first byte of a method."""
    cdef uint8_t byte
    while head.position < size:
        byte = data[head.position]
        if head.state == HEAD_START_LF:
            if byte != LF:
                return head_refuse(head, BAD_LINE_END)
            head.state = HEAD_START
        elif byte == CR:
            if head.empty_line_count == EMPTY_LINE_COUNT_MAX:
                return head_refuse(head, BAD_EMPTY_LINES)
            head.empty_line_count += 1
            head.state = HEAD_START_LF
        elif byte == LF or byte == TLS_HANDSHAKE:
            return head_refuse(head, BAD_LINE_END if byte == LF else BAD_TLS_HELLO)
        else:
            head.mark = head.position
            head.state = HEAD_METHOD
            return PARSE_DONE
        head.position += 1
    return PARSE_AGAIN


cdef ParseResult method_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    cdef size_t limit = head.mark + METHOD_BYTES_MAX + 1
    cdef size_t position = head.position, end = min(size, limit)
    while position < end and CLASSES[data[position]] & METHOD_BYTE:
        position += 1
    head.position = <uint32_t>position
    if position == end:
        return PARSE_AGAIN if end < limit else head_refuse(head, NOT_IMPLEMENTED_METHOD)
    if data[position] != SPACE or position == head.mark:
        return head_refuse(head, BAD_METHOD)
    head.method.offset = head.mark
    head.method.size = head.position - head.mark
    head.method_id = method_find(data + head.mark, head.method.size)
    head.position += 1
    head.mark = head.position
    head.state = HEAD_TARGET
    return PARSE_DONE


cdef Method method_find(const uint8_t* method, uint32_t size) noexcept nogil:
    if size == 3:
        if memcmp(method, b"GET", 3) == 0:
            return METHOD_GET
        return METHOD_PUT if memcmp(method, b"PUT", 3) == 0 else METHOD_OTHER
    if size == 4:
        if memcmp(method, b"POST", 4) == 0:
            return METHOD_POST
        return METHOD_HEAD if memcmp(method, b"HEAD", 4) == 0 else METHOD_OTHER
    if size == 5:
        if memcmp(method, b"PATCH", 5) == 0:
            return METHOD_PATCH
        return METHOD_TRACE if memcmp(method, b"TRACE", 5) == 0 else METHOD_OTHER
    if size == 6:
        return METHOD_DELETE if memcmp(method, b"DELETE", 6) == 0 else METHOD_OTHER
    if size == 7:
        if memcmp(method, b"OPTIONS", 7) == 0:
            return METHOD_OPTIONS
        return METHOD_CONNECT if memcmp(method, b"CONNECT", 7) == 0 else METHOD_OTHER
    return METHOD_OTHER


cdef ParseResult target_begin(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    if head.position == size:
        return PARSE_AGAIN
    if data[head.position] == SPACE:
        return head_refuse(head, BAD_TARGET)
    head.state = HEAD_TARGET_PATH if data[head.position] == SLASH else HEAD_TARGET_OTHER
    return PARSE_DONE


cdef ParseResult path_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    """Parse the path of an origin-form, to the `?` or the space behind it."""
    cdef size_t limit = <size_t>head.mark + head.limits.target_bytes_max + 1
    cdef size_t position = head.position, end = min(size, limit)
    while position < end:
        if not CLASSES[data[position]] & PATH_BYTE:
            if data[position] != PERCENT:
                break
            head.path_has_percent = True
        position += 1
    head.position = <uint32_t>position
    if position == end:
        return PARSE_AGAIN if end < limit else head_refuse(head, TOO_LONG_TARGET)
    head.path.offset = head.mark
    head.path.size = head.position - head.mark
    if data[position] == SPACE:
        return target_end(head, data)
    if data[position] != QUESTION_MARK:
        return head_refuse(head, BAD_TARGET_BYTE)
    head.has_query = True
    head.query.offset = head.position + 1
    head.state = HEAD_TARGET_QUERY
    return PARSE_DONE


cdef ParseResult query_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    """Parse a query, or a target in another form as a whole, to the space behind it."""
    cdef size_t limit = <size_t>head.mark + head.limits.target_bytes_max + 1
    cdef size_t position = head.position, end = min(size, limit)
    while position < end and CLASSES[data[position]] & TARGET_BYTE:
        position += 1
    head.position = <uint32_t>position
    if position == end:
        return PARSE_AGAIN if end < limit else head_refuse(head, TOO_LONG_TARGET)
    if data[position] != SPACE:
        return head_refuse(head, BAD_TARGET_BYTE)
    if head.has_query:
        head.query.size = head.position - head.query.offset
    return target_end(head, data)


cdef ParseResult target_end(Head* head, const uint8_t* data) noexcept nogil:
    """Note where the target ends: at the space that position is at."""
    head.target.offset = head.mark
    head.target.size = head.position - head.mark
    head.position += 1
    head.state = HEAD_VERSION
    return PARSE_DONE


cdef ParseResult version_parse(Head* head, const uint8_t* data, size_t size) noexcept nogil:
    cdef const uint8_t* version = data + head.position
    cdef size_t count = min(size - head.position, VERSION_SIZE)
    cdef int refusal
    if count == VERSION_SIZE and memcmp(version, b"HTTP/1.1\r\n", VERSION_SIZE) == 0:
        head.minor_version = 1
    elif count < VERSION_SIZE or memcmp(version, b"HTTP/1.0\r\n", VERSION_SIZE) != 0:
        refusal = version_check(version, count)
        if refusal == NOT_REFUSED and count < VERSION_SIZE:
            return PARSE_AGAIN
        return head_refuse(head, refusal if refusal else NOT_SUPPORTED_VERSION)
    return request_line_end(head, data)


cdef int version_check(const uint8_t* version, size_t count) noexcept nogil:
    """Return whether the first count bytes are `HTTP/` digit `.` digit CRLF, whatever digits."""
    cdef const uint8_t* form = b"HTTP/0.0\r\n"
    cdef size_t i
    for i in range(count):
        if i == VERSION_MAJOR or i == VERSION_MINOR:
            if not is_digit(version[i]):
                return BAD_VERSION
        elif version[i] != form[i]:
            return BAD_LINE_END if i > VERSION_CR or version[i] == LF else BAD_VERSION
    return NOT_REFUSED


cdef ParseResult request_line_end(Head* head, const uint8_t* data) noexcept nogil:
    cdef int refusal = NOT_REFUSED
    if head.method_id == METHOD_CONNECT or data[head.target.offset] != SLASH:
        refusal = target_check(head, data)
    if refusal:
        return head_refuse(head, refusal)
    head.position += VERSION_SIZE
    head.fields_offset = head.position
    head.state = HEAD_FIELD_LINE
    return PARSE_DONE
