"""FieldTable: field lines that came before, as the objects that a scope has for them."""

from libc.stdint cimport uint64_t

from ngxloop.http.head cimport Field

cdef enum:
    # Places of a table. A client has some ten lines, and most clients of a server have the same.
    PLACE_BITS = 10
    PLACE_COUNT = 1024
    # Longer lines are not kept: they are rarely equal, and 1,024 of them would be much memory.
    KEPT_LINE_BYTES_MAX = 160

cdef class FieldTable:
    cdef uint64_t seed
    cdef uint64_t[PLACE_COUNT] hashes    # of the line that came last with this place
    cdef list lines                  # as received; None where there is none
    cdef list pairs                  # what they became: (name in lower case, value)

    cdef object pair(self, const Field* field, const char* data)
    cdef object new_pair(self, uint64_t number, const Field* field, const char* data)
