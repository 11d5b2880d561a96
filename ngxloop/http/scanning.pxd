"""Find a byte in a run of ordinary ones, eight bytes at a time.

How it works. In a word of eight bytes `(word - 0x2020..) & ~word` has the highest bit of a byte set
if that byte is below 0x20. A borrow may set it in bytes above such a one, but never below, so the
lowest bit that is set is right. With the least significant byte first, the lowest byte of a word is
the first in memory. See Hacker's Delight, chapter 6-1.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

cdef extern from *:
    """
    #if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    #define NGXLOOP_FIRST_BYTE_LOWEST(word) (word)
    #else
    #define NGXLOOP_FIRST_BYTE_LOWEST(word) __builtin_bswap64(word)
    #endif
    #define NGXLOOP_EACH(byte) ((byte) * 0x0101010101010101ULL)
    """
    uint64_t first_byte_lowest "NGXLOOP_FIRST_BYTE_LOWEST"(uint64_t word) nogil
    uint64_t each "NGXLOOP_EACH"(uint64_t byte) nogil    # a word of eight such bytes
    int lowest_bit "__builtin_ctzll"(unsigned long long word) nogil

cdef enum:
    WORD_SIZE = 8


cdef inline uint64_t word_at(const uint8_t* place) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, place, WORD_SIZE)
    return first_byte_lowest(word)


cdef inline uint64_t bytes_below(uint64_t word, uint64_t limit) noexcept nogil:
    """Mark the bytes of a word below limit, which is 0x80 at most."""
    return (word - each(limit)) & ~word & each(0x80)


cdef inline uint64_t bytes_equal(uint64_t word, uint64_t byte) noexcept nogil:
    return bytes_below(word ^ each(byte), 1)


cdef inline int first_marked(uint64_t marks) noexcept nogil:
    """Return the index of the first byte that is marked; marks must not be 0."""
    return lowest_bit(marks) >> 3
