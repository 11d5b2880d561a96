"""Lines of an answer's head that are ready-made: status lines, Date, and whole refusals.

The line with the date is made anew when the second changes. Model: ngx_cached_http_time.
"""

from libc.string cimport memcpy
from libc.time cimport time, time_t

import http
from email.utils import formatdate

cdef enum:
    STATUS_COUNT = 1000

# What some statuses need besides. RFC 9110 15.5.22, RFC 6455 4.4
cdef dict FURTHER_LINES = {
    426: b"upgrade: websocket\r\nsec-websocket-version: 13\r\n",
    503: b"retry-after: 1\r\n",
}

cdef list status_lines = [None] * STATUS_COUNT
cdef time_t date_second = 0
cdef char[DATE_LINE_BYTES + 1] date_text


cdef bytes status_line(int status):
    """Return the first line of an answer, of three digits, with the phrase of RFC 9110 if known."""
    cdef bytes line = <bytes>status_lines[status]
    if line is None:
        line = f"HTTP/1.1 {status} {phrase(status)}\r\n".encode()
        status_lines[status] = line
    return line


cdef str phrase(int status):
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


cdef const char* date_line() except NULL:
    """Return the line of the present second, DATE_LINE_BYTES of memory."""
    global date_second
    cdef time_t now = time(NULL)
    cdef bytes line
    if now != date_second:
        line = b"date: %b\r\n" % formatdate(now, usegmt=True).encode()
        memcpy(date_text, <const char*>line, DATE_LINE_BYTES)
        date_second = now
    return date_text


cdef bytes refusal_answer(int status, bint is_head, bint has_date, bytes lines):
    """Return a whole answer after which the connection is closed.

    Args:
        is_head: leave the body out, as the request's method is HEAD.
        lines: further lines of the head.
    """
    body = f"{status} {phrase(status)}\n".encode()
    date = (<bytes>date_line()[:DATE_LINE_BYTES]) if has_date else b""
    return b"".join([
        status_line(status),
        date,
        lines,
        FURTHER_LINES.get(status, b""),
        b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n" % len(body),
        b"connection: close\r\n\r\n",
        b"" if is_head else body,
    ])
