"""Field names that are known by a small number, so that they can be compared and interned.

How it works. The size and the last four bytes of a name, in lower case, are hashed to a place in
a table of 256; no two known names have the same place, which is checked when the table is made. So
one comparison decides. In it and in the hash a byte is made lower case by setting its bit 0x20: of
the bytes above 0x20, a letter in two cases alone becomes equal to a byte of a known name that way,
which are letters and `-`.
"""

from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy, memset

from ngxloop.http.scanning cimport WORD_SIZE, each, word_at

cdef enum:
    NAME_COUNT_MAX = 80
    NAME_SIZE_MAX = 32       # the longest has 30 bytes
    TAIL_SIZE = 4
    PLACE_COUNT = 256
    # Found by trial: it gives every name a place of its own.
    HASH_FACTOR = 0x805D3B19
    HASH_SHIFT = 24          # 32 bits to those of a place

cdef struct NameEntry:
    uint8_t size
    uint8_t[NAME_SIZE_MAX] text      # in lower case

# The number of a name is its index. The order of the first ones is that of KnownName in names.pxd.
KNOWN_NAMES = (
    b"",
    b"host",
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"expect",
    b"upgrade",
    b"te",
    b"accept",
    b"accept-charset",
    b"accept-encoding",
    b"accept-language",
    b"access-control-request-headers",
    b"access-control-request-method",
    b"authorization",
    b"cache-control",
    b"content-encoding",
    b"content-language",
    b"content-type",
    b"cookie",
    b"date",
    b"dnt",
    b"forwarded",
    b"from",
    b"idempotency-key",
    b"if-match",
    b"if-modified-since",
    b"if-none-match",
    b"if-range",
    b"if-unmodified-since",
    b"keep-alive",
    b"max-forwards",
    b"origin",
    b"pragma",
    b"priority",
    b"proxy-authorization",
    b"range",
    b"referer",
    b"sec-ch-ua",
    b"sec-ch-ua-mobile",
    b"sec-ch-ua-platform",
    b"sec-fetch-dest",
    b"sec-fetch-mode",
    b"sec-fetch-site",
    b"sec-fetch-user",
    b"sec-gpc",
    b"sec-websocket-extensions",
    b"sec-websocket-key",
    b"sec-websocket-protocol",
    b"sec-websocket-version",
    b"traceparent",
    b"tracestate",
    b"trailer",
    b"upgrade-insecure-requests",
    b"user-agent",
    b"via",
    b"x-api-key",
    b"x-csrf-token",
    b"x-forwarded-for",
    b"x-forwarded-host",
    b"x-forwarded-port",
    b"x-forwarded-prefix",
    b"x-forwarded-proto",
    b"x-real-ip",
    b"x-request-id",
    b"x-requested-with",
)

cdef uint8_t[PLACE_COUNT] places     # the number of the name that has this place
cdef NameEntry[NAME_COUNT_MAX] entries


cdef int name_find(const uint8_t* name, size_t size) noexcept nogil:
    cdef int number
    if size < 2 or size >= NAME_SIZE_MAX:
        return NAME_OTHER
    number = places[place_of(name, size)]
    if entries[number].size != size or not is_equal(name, entries[number].text, size):
        return NAME_OTHER
    return number


cdef inline uint8_t place_of(const uint8_t* name, size_t size) noexcept nogil:
    return <uint8_t>((tail_of(name, size) + <uint32_t>size) * <uint32_t>HASH_FACTOR >> HASH_SHIFT)


cdef inline uint32_t tail_of(const uint8_t* name, size_t size) noexcept nogil:
    """Return the last four bytes in lower case, or all that there are, in an order of their own."""
    cdef const uint8_t* tail = name + size - TAIL_SIZE
    cdef uint32_t word
    if size >= TAIL_SIZE:
        word = tail[0] | tail[1] << 8 | tail[2] << 16 | <uint32_t>tail[3] << 24
    else:
        word = name[0] | name[1] << 8 | name[size - 1] << 16
    return word | 0x20202020


cdef inline bint is_equal(const uint8_t* name, const uint8_t* lower, size_t size) noexcept nogil:
    """Compare in words; the last one overlaps the one before it."""
    cdef size_t i = 0
    if size < WORD_SIZE:
        return tail_of(name, size) == tail_of(lower, size) and (
            size <= TAIL_SIZE or tail_of(name, TAIL_SIZE) == tail_of(lower, TAIL_SIZE)
        )
    while i + WORD_SIZE < size:
        if (word_at(name + i) | each(0x20)) != word_at(lower + i):
            return False
        i += WORD_SIZE
    return (word_at(name + size - WORD_SIZE) | each(0x20)) == word_at(lower + size - WORD_SIZE)


def fill_tables():
    """Write the tables; done once, when this module is imported."""
    cdef const uint8_t* text
    cdef bytes name
    assert len(KNOWN_NAMES) <= NAME_COUNT_MAX
    memset(places, 0, sizeof(places))
    for number, name in enumerate(KNOWN_NAMES):
        if number == NAME_OTHER:
            continue
        assert 2 <= len(name) < NAME_SIZE_MAX, name
        text = name
        entries[number].size = len(name)
        memcpy(entries[number].text, text, len(name))
        assert places[place_of(text, len(name))] == 0, f"{name!r} has the place of another name"
        places[place_of(text, len(name))] = number


fill_tables()
