"""The limits of the HTTP parsers: meaning, unit, source of the number.

The first group are defaults, which HeadLimits of head.pxd can replace. The others are fixed.
"""

cdef enum:
    # The request-target, in bytes; above it 414. The method and the version come on top of it.
    # RFC 9112 3: at least 8,000 for the request line. nginx: large_client_header_buffers, 4 of 8k.
    TARGET_BYTES_MAX = 8192
    # One field line without its line end, in bytes; above it 431. nginx: the same buffers.
    FIELD_LINE_BYTES_MAX = 8192
    # All field lines with their line ends, and the trailer's, in bytes; above it 431. nginx: 4 8k.
    FIELDS_BYTES_MAX = 32768
    # Field lines of a head and its trailer; above it 431. nginx: max_headers, 1000.
    FIELD_COUNT_MAX = 1000

    # A method, in bytes; above it 501. The longest that is registered has 17: UPDATEREDIRECTREF.
    METHOD_BYTES_MAX = 32
    # Empty lines before a request line. RFC 9112 2.2: at least one should be ignored.
    EMPTY_LINE_COUNT_MAX = 2
    # Digits of a Content-Length, leading zeros included: those of 2^63 - 1.
    CONTENT_LENGTH_DIGITS_MAX = 19
    # Digits of a chunk size, leading zeros included: those of 2^64 - 1.
    CHUNK_SIZE_DIGITS_MAX = 16
    # Bytes of all chunk extensions of one body. hyper: 16 KiB.
    CHUNK_EXTENSIONS_BYTES_MAX = 16384
    # A port number. RFC 9110 has no limit, TCP has.
    PORT_MAX = 65535
