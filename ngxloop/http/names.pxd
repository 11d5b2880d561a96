"""Field names that are known by a small number, so that they can be compared and interned."""

from libc.stdint cimport uint8_t

cdef enum KnownName:
    NAME_OTHER = 0
    # What decides how a request is framed and answered: framing.pyx looks at these.
    NAME_HOST
    NAME_CONTENT_LENGTH
    NAME_TRANSFER_ENCODING
    NAME_CONNECTION
    NAME_EXPECT
    NAME_UPGRADE
    NAME_TE
    NAME_LAST_CHECKED = NAME_TE
    # The others have numbers, but no names here: KNOWN_NAMES[number] of names.pyx.

# The number of a name in any case, NAME_OTHER if it is not known. All its bytes are above 0x20.
cdef int name_find(const uint8_t* name, size_t size) noexcept nogil
