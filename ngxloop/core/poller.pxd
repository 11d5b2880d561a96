"""Poller: one epoll instance."""

from libc.stdint cimport int64_t, uint32_t

from ngxloop.core.event cimport Connection
from ngxloop.core.linux cimport epoll_event

cdef class Poller:
    cdef readonly int fd             # the epoll fd, -1 when closed
    cdef epoll_event* events         # OWNS: what the last wait returned
    cdef int capacity
    cdef bint has_pwait2             # the kernel has epoll_pwait2 (Linux 5.11)

    cdef int poll_add(self, Connection* connection, uint32_t mask) except -1
    cdef int poll_modify(self, Connection* connection, uint32_t mask) except -1
    cdef int poll_change(
        self, Connection* connection, uint32_t mask, uint32_t fresh_mask
    ) except -1
    cdef int poll_remove(self, Connection* connection) except -1
    cdef int wait(self, int64_t timeout_ns) except -1
    cdef int rest(self, int64_t timeout_ns) except -1
    cdef int spin(self, int64_t limit_ns) except -1
    cdef int poll(self) except -1
    cdef int count_or_raise(self, int count) except -1
    cdef int wait_coarse(self, int64_t timeout_ns) noexcept nogil
    cdef int grow(self) except -1
    cdef int renew(self) except -1
    cdef int close(self) except -1
