"""Comma-separated values of fields: #element of RFC 9110 5.6.1."""

from libc.stdint cimport uint8_t

# A list that is being read: what is left of it, and the element that was read last.
cdef struct List:
    const uint8_t* position
    const uint8_t* end
    const uint8_t* element
    size_t element_size

cdef bint list_next(List* elements) noexcept nogil       # False: there is none left
# Whether the element is word, which is in lower case; the element's case does not matter.
cdef bint element_is(const List* elements, const char* word) noexcept nogil
cdef bint is_word(const uint8_t* text, size_t size, const char* word) noexcept nogil
