"""The bytes of HTTP and the classes that they belong to, as bits of a table."""

from libc.stdint cimport uint8_t

cdef enum:
    TAB = 0x09
    LF = 0x0A
    CR = 0x0D
    SPACE = 0x20
    HASH = 0x23
    PERCENT = 0x25
    ASTERISK = 0x2A
    COMMA = 0x2C
    DOT = 0x2E
    SLASH = 0x2F
    COLON = 0x3A
    SEMICOLON = 0x3B
    QUESTION_MARK = 0x3F
    LEFT_BRACKET = 0x5B
    RIGHT_BRACKET = 0x5D
    UNDERSCORE = 0x5F
    TLS_HANDSHAKE = 0x16     # the first byte of a TLS connection. RFC 8446 5.1: ContentType

cdef enum CharacterClass:
    TOKEN_BYTE = 1           # tchar, RFC 9110 5.6.2
    METHOD_BYTE = 2          # tchar without lower-case letters
    PATH_BYTE = 4            # what a path has, without `%`, which is counted
    TARGET_BYTE = 8          # the same, and `%` and `?`: a query, and any other form of a target
    VALUE_BYTE = 16          # field-vchar, space and tab, RFC 9110 5.5
    HOST_BYTE = 32           # of a registered name or IPv4 address, RFC 3986 3.2.2
    SCHEME_BYTE = 64         # RFC 3986 3.1, after the first letter
    HEX_DIGIT = 128

cdef uint8_t[256] CLASSES        # bits of CharacterClass
cdef uint8_t[256] HEX_VALUES     # of a digit of CLASSES' HEX_DIGIT; 0 for all others
cdef uint8_t[256] LOWER_CASE     # A to Z as a to z, all others as they are

cdef void lower_copy(char* target, const uint8_t* source, size_t size) noexcept nogil


cdef inline bint is_digit(uint8_t byte) noexcept nogil:
    return c"0" <= byte <= c"9"


cdef inline bint is_letter(uint8_t byte) noexcept nogil:
    return c"a" <= (byte | 0x20) <= c"z"


cdef inline bint is_blank(uint8_t byte) noexcept nogil:
    return byte == SPACE or byte == TAB
