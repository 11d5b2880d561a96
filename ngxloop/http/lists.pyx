"""Comma-separated values of fields: #element of RFC 9110 5.6.1.

Empty elements are passed over, as a recipient must. A comma in a quoted string separates, too: none
of the words that are looked for has one, and half a quoted string is equal to none of them.
"""

from libc.stdint cimport uint8_t
from libc.string cimport memchr

from ngxloop.http.characters cimport COMMA, LOWER_CASE, is_blank


cdef bint list_next(List* elements) noexcept nogil:
    """Read the next element that is not empty, without the blanks around it."""
    cdef const uint8_t* comma
    cdef const uint8_t* start
    while elements.position < elements.end:
        start = elements.position
        comma = <const uint8_t*>memchr(start, COMMA, elements.end - start)
        if comma == NULL:
            comma = elements.end
        elements.position = comma + 1
        while start < comma and is_blank(start[0]):
            start += 1
        while start < comma and is_blank(comma[-1]):
            comma -= 1
        if start < comma:
            elements.element = start
            elements.element_size = comma - start
            return True
    return False


cdef bint element_is(const List* elements, const char* word) noexcept nogil:
    return is_word(elements.element, elements.element_size, word)


cdef bint is_word(const uint8_t* text, size_t size, const char* word) noexcept nogil:
    cdef size_t i
    for i in range(size):
        if word[i] == 0 or LOWER_CASE[text[i]] != <uint8_t>word[i]:
            return False
    return word[size] == 0
