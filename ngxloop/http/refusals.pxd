"""Why a parser refuses a request: one code for each reason, which contains the status to answer.

The first three digits of a code are the status. A refused connection must be closed: where its next
request begins is not known (RFC 9112 2.2, 6.3).
"""

cdef enum Refusal:
    NOT_REFUSED = 0

    BAD_EMPTY_LINES = 40001          # more than EMPTY_LINE_COUNT_MAX before the request line
    BAD_TLS_HELLO = 40002            # a TLS handshake on a port without TLS
    BAD_METHOD = 40003               # not a token, or with lower-case letters
    BAD_TARGET_BYTE = 40004          # a control, a space, `#`, 0x7f or above in the target
    BAD_TARGET = 40005               # in none of the four forms, or in one that the method has not
    BAD_AUTHORITY = 40006            # an invalid host or port in the target
    BAD_VERSION = 40007              # no `HTTP/` digit `.` digit behind the target
    BAD_LINE_END = 40008             # CR without LF, LF without CR
    BAD_FIELD_NAME = 40009           # empty, or with a byte that a token has not
    BAD_SPACE_BEFORE_COLON = 40010
    BAD_FOLDED_LINE = 40011          # a field line that begins with a space or tab (obs-fold)
    BAD_FIELD_VALUE = 40012          # a control in a field value
    BAD_HOST_MISSING = 40013         # HTTP/1.1 without Host
    BAD_HOST_REPEATED = 40014
    BAD_HOST = 40015                 # an invalid host or port
    BAD_CONTENT_LENGTH = 40016       # not a number of digits, or above 2^63 - 1
    BAD_CONTENT_LENGTH_REPEATED = 40017
    BAD_CODING_REPEATED = 40018      # two Transfer-Encoding
    BAD_CODING_IN_1_0 = 40019        # Transfer-Encoding in HTTP/1.0
    BAD_TWO_LENGTHS = 40020          # Content-Length and Transfer-Encoding
    BAD_CHUNK_SIZE = 40021           # not hexadecimal, too many digits, or a body above 2^63 - 1
    BAD_CHUNK_EXTENSION = 40022      # a control in it
    BAD_CHUNK_EXTENSIONS_SIZE = 40023  # all of a body are above CHUNK_EXTENSIONS_BYTES_MAX
    BAD_CHUNK_END = 40024            # no CRLF where the data of a chunk must end
    BAD_TRAILER_NAME = 40025         # Content-Length, Transfer-Encoding or Host in a trailer

    NOT_ALLOWED_CONNECT = 40501      # there is no tunnel
    TOO_LARGE_BODY = 41301           # the body is above the limit, or will be
    TOO_LONG_TARGET = 41401
    FAILED_EXPECTATION = 41701       # an Expect that is not 100-continue
    TOO_LARGE_FIELD_LINE = 43101
    TOO_LARGE_FIELDS = 43102
    TOO_MANY_FIELDS = 43103
    NOT_IMPLEMENTED_METHOD = 50101   # longer than METHOD_BYTES_MAX
    NOT_IMPLEMENTED_CODING = 50102   # a Transfer-Encoding that is not exactly `chunked`
    NOT_SUPPORTED_VERSION = 50501    # not 1.0, not 1.1


cdef inline int refusal_status(int refusal) noexcept nogil:
    return refusal // 100
