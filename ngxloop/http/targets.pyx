"""The forms of a request-target that do not begin with a slash, and the hosts in them.

RFC 9112 3.2: the absolute-form is for proxies, but a server must take it, too; the asterisk-form
goes with OPTIONS alone, the authority-form with CONNECT alone, and CONNECT with nothing else.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr

from ngxloop.http.characters cimport (
    ASTERISK,
    CLASSES,
    COLON,
    DOT,
    HOST_BYTE,
    LEFT_BRACKET,
    QUESTION_MARK,
    PERCENT,
    RIGHT_BRACKET,
    SCHEME_BYTE,
    SLASH,
    is_digit,
    is_letter,
)
from ngxloop.http.head cimport (
    METHOD_CONNECT,
    METHOD_OPTIONS,
    TARGET_ABSOLUTE,
    TARGET_ASTERISK,
    TARGET_AUTHORITY,
    Head,
)
from ngxloop.http.limits cimport PORT_MAX
from ngxloop.http.refusals cimport (
    BAD_AUTHORITY,
    BAD_TARGET,
    NOT_ALLOWED_CONNECT,
    NOT_REFUSED,
)

cdef enum:
    PORT_DIGITS_MAX = 5      # of PORT_MAX


cdef int target_check(Head* head, const uint8_t* data) noexcept nogil:
    cdef const uint8_t* target = data + head.target.offset
    if head.method_id == METHOD_CONNECT:
        head.target_form = TARGET_AUTHORITY
        if host_has_port(target, head.target.size):
            return NOT_ALLOWED_CONNECT
        return BAD_TARGET
    if head.target.size == 1 and target[0] == ASTERISK:
        head.target_form = TARGET_ASTERISK
        head.path = head.target
        return NOT_REFUSED if head.method_id == METHOD_OPTIONS else BAD_TARGET
    return absolute_form_check(head, data)


cdef int absolute_form_check(Head* head, const uint8_t* data) noexcept nogil:
    """Take scheme "://" authority path-abempty ["?" query] apart."""
    cdef uint32_t position = head.target.offset, end = position + head.target.size
    if not is_letter(data[position]):
        return BAD_TARGET
    while position < end and CLASSES[data[position]] & SCHEME_BYTE:
        position += 1
    if end - position < 3 or not (
        data[position] == COLON and data[position + 1] == SLASH and data[position + 2] == SLASH
    ):
        return BAD_TARGET
    head.target_form = TARGET_ABSOLUTE
    position += 3
    head.authority.offset = position
    while position < end and data[position] != SLASH and data[position] != QUESTION_MARK:
        position += 1
    head.authority.size = position - head.authority.offset
    split_path(head, data, position, end)
    if host_is_valid(data + head.authority.offset, head.authority.size):
        return NOT_REFUSED
    return BAD_AUTHORITY


cdef void split_path(
    Head* head, const uint8_t* data, uint32_t position, uint32_t end
) noexcept nogil:
    """Note the path from position on, and the query."""
    cdef const uint8_t* start = data + position
    cdef const uint8_t* mark = <const uint8_t*>memchr(start, QUESTION_MARK, end - position)
    cdef uint32_t path_end = end
    if mark != NULL:
        path_end = <uint32_t>(mark - data)
        head.has_query = True
        head.query.offset = path_end + 1
        head.query.size = end - head.query.offset
    head.path.offset = position
    head.path.size = path_end - position
    head.path_has_percent = memchr(start, PERCENT, head.path.size) != NULL


cdef bint host_is_valid(const uint8_t* host, size_t size) noexcept nogil:
    """Return whether it is uri-host [":" [port]], the host not empty (RFC 9110 4.2.1, 7.2)."""
    cdef size_t host_size = host_end(host, size)
    if host_size == 0 or host_size == size:
        return host_size > 0
    return port_is_valid(host + host_size, size - host_size)


cdef bint host_has_port(const uint8_t* host, size_t size) noexcept nogil:
    """Return whether it is uri-host ":" port, as CONNECT has it (RFC 9112 3.2.3)."""
    cdef size_t host_size = host_end(host, size)
    return (
        host_size > 0
        and host_size + 1 < size
        and port_is_valid(host + host_size, size - host_size)
    )


cdef size_t host_end(const uint8_t* host, size_t size) noexcept nogil:
    """Return the size of the host, 0 if it is empty or invalid."""
    cdef size_t i = 0
    if size and host[0] == LEFT_BRACKET:
        return literal_end(host, size)
    while i < size and CLASSES[host[i]] & HOST_BYTE:
        i += 1
        if i < size and host[i] == DOT and host[i - 1] == DOT:
            return 0
    return 0 if i == 1 and host[0] == DOT else i


cdef size_t literal_end(const uint8_t* host, size_t size) noexcept nogil:
    """Return the size of an IP-literal with its brackets, 0 if it is invalid.

    Whether it is an address is not looked at: nothing is connected to it. RFC 3986 3.2.2.
    """
    cdef size_t i = 1
    while i < size and (CLASSES[host[i]] & HOST_BYTE and host[i] != PERCENT or host[i] == COLON):
        i += 1
    return i + 1 if 1 < i < size and host[i] == RIGHT_BRACKET else 0


cdef bint port_is_valid(const uint8_t* port, size_t size) noexcept nogil:
    """Return whether it is a colon and the digits of a port, or none."""
    cdef size_t i
    cdef uint32_t number = 0
    if port[0] != COLON or size > PORT_DIGITS_MAX + 1:
        return False
    for i in range(1, size):
        if not is_digit(port[i]):
            return False
        number = number * 10 + (port[i] & 0x0F)
    return number <= PORT_MAX
