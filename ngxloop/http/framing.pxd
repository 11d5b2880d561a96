"""What the fields of a head say of its body and of the connection."""

from libc.stdint cimport uint8_t

from ngxloop.http.head cimport Head

# Fill the last members of a head whose fields are parsed; return why it is refused, if it is.
cdef int framing_check(Head* head, const uint8_t* data) noexcept nogil
