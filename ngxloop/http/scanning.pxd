"""Count ordinary bytes, sixteen at a time.

How it works. With SSE2, which every x86-64 has, two comparisons mark the bytes that are not
ordinary, as one bit each. Without it, eight bytes are a word: `(word - 0x2020..) & ~word` has the
highest bit of a byte set if that byte is below 0x20. A borrow may set it in bytes above such a one,
but never below, so the lowest bit that is set is right, and the lowest byte is the first in memory.
See Hacker's Delight, chapter 6-1.
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

    #ifdef __SSE2__
    #include <emmintrin.h>

    static inline int ngxloop_plain_count(const uint8_t *block, uint8_t limit, uint8_t other) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)block);
        __m128i below = _mm_cmplt_epi8(bytes, _mm_set1_epi8((char)limit));
        __m128i equal = _mm_cmpeq_epi8(bytes, _mm_set1_epi8((char)other));
        return __builtin_ctz((unsigned)_mm_movemask_epi8(_mm_or_si128(below, equal)) | 0x10000u);
    }
    #else
    static inline int ngxloop_plain_count(const uint8_t *block, uint8_t limit, uint8_t other) {
        for (int start = 0; start < 16; start += 8) {
            uint64_t word, unlike, marks;
            memcpy(&word, block + start, 8);
            word = NGXLOOP_FIRST_BYTE_LOWEST(word);
            unlike = word ^ NGXLOOP_EACH(other);
            marks = ((word - NGXLOOP_EACH(limit)) & ~word) | ((unlike - NGXLOOP_EACH(1)) & ~unlike);
            marks = (marks | word) & NGXLOOP_EACH(0x80);
            if (marks)
                return start + (__builtin_ctzll(marks) >> 3);
        }
        return 16;
    }
    #endif
    """
    uint64_t first_byte_lowest "NGXLOOP_FIRST_BYTE_LOWEST"(uint64_t word) nogil
    uint64_t each "NGXLOOP_EACH"(uint64_t byte) nogil    # a word of eight such bytes
    # How many of sixteen bytes stand before the first that is below limit, equal to other, or 0x80
    # and above; 16 if there is none.
    int plain_count "ngxloop_plain_count"(
        const uint8_t* block, uint8_t limit, uint8_t other
    ) nogil

cdef enum:
    BLOCK_SIZE = 16
    WORD_SIZE = 8


cdef inline uint64_t word_at(const uint8_t* place) noexcept nogil:
    cdef uint64_t word
    memcpy(&word, place, WORD_SIZE)
    return first_byte_lowest(word)
