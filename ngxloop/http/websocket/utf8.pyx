"""Whether text that comes in pieces is UTF-8: as early as its bytes tell.

Rules. No character is longer than it must be, none is a surrogate or above U+10FFFF: the second
byte decides that, behind 0xe0, 0xed, 0xf0 and 0xf4 (RFC 3629 4). ASCII is passed over eight bytes
at a time.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    WORD_SIZE = 8
    NOT_ASCII = 0x80
    FIRST_OF_TWO = 0xC2      # 0xc0 and 0xc1 would begin a character of one byte
    FIRST_OF_THREE = 0xE0
    FIRST_OF_FOUR = 0xF0
    LAST_OF_FOUR = 0xF4
    LOWEST = 0x80            # of all bytes but the first
    HIGHEST = 0xBF

cdef uint64_t NOT_ASCII_WORD = 0x8080808080808080


cdef bint utf8_check(Utf8* text, const uint8_t* data, size_t size) noexcept nogil:
    cdef size_t position = 0
    while position < size:
        if text.missing == 0:
            position += ascii_count(data + position, size - position)
            if position < size and not character_begin(text, data[position]):
                return False
        elif text.lowest <= data[position] <= text.highest:
            text.missing -= 1
            text.lowest = LOWEST
            text.highest = HIGHEST
        else:
            return False
        position += 1
    return True


cdef size_t ascii_count(const uint8_t* data, size_t size) noexcept nogil:
    """Return how many bytes there are before the first that is not ASCII."""
    cdef size_t position = 0
    cdef uint64_t word
    while position + WORD_SIZE <= size:
        memcpy(&word, data + position, WORD_SIZE)
        if word & NOT_ASCII_WORD:
            break
        position += WORD_SIZE
    while position < size and data[position] < NOT_ASCII:
        position += 1
    return position


cdef bint character_begin(Utf8* text, uint8_t byte) noexcept nogil:
    """Take the first byte of a character that has several; return whether it can be one."""
    if byte < FIRST_OF_TWO or byte > LAST_OF_FOUR:
        return False
    text.missing = 1 + (byte >= FIRST_OF_THREE) + (byte >= FIRST_OF_FOUR)
    text.lowest = LOWEST
    text.highest = HIGHEST
    if byte == FIRST_OF_THREE:
        text.lowest = 0xA0
    elif byte == 0xED:
        text.highest = 0x9F
    elif byte == FIRST_OF_FOUR:
        text.lowest = 0x90
    elif byte == LAST_OF_FOUR:
        text.highest = 0x8F
    return True
