"""Utf8: whether text that comes in pieces is UTF-8 (RFC 3629)."""

from libc.stdint cimport uint8_t

# The state between two pieces; all zero at the beginning.
cdef struct Utf8:
    uint8_t missing          # bytes that the character lacks; 0: between two characters
    uint8_t lowest           # of the next of them; the others are 0x80 to 0xbf
    uint8_t highest

# Whether the next bytes may follow; nothing may be checked any more once they may not.
cdef bint utf8_check(Utf8* text, const uint8_t* data, size_t size) noexcept nogil
