"""The forms of a request-target that do not begin with a slash, and the hosts in them."""

from libc.stdint cimport uint8_t

from ngxloop.http.head cimport Head

# Take the target apart; return why it is refused, NOT_REFUSED if it is not.
cdef int target_check(Head* head, const uint8_t* data) noexcept nogil
# Whether it is uri-host [":" port], and what of it may be missing.
cdef bint host_is_valid(const uint8_t* host, size_t size) noexcept nogil
cdef bint host_has_port(const uint8_t* host, size_t size) noexcept nogil
