"""OutBuffer: what a stream has yet to send."""

from ngxloop.core.linux cimport iovec

cdef enum SendOutcome:
    SENT_ALL = 1
    SEND_BLOCKED             # the kernel's buffer is full
    SEND_FAILED              # errno is in OutBuffer.error

cdef class OutBuffer:
    cdef object head                 # the bytes object being sent, None if there is nothing to send
    cdef Py_ssize_t offset           # bytes of head that are sent
    cdef list rest                   # the bytes objects after head; None until there is one
    cdef Py_ssize_t first            # those of rest before this index are sent
    cdef Py_ssize_t size             # bytes that are not sent
    cdef int error
    cdef bint to_pipe                # write() instead of send(): the fd may be no socket

    cdef int append(self, object data) except -1
    cdef SendOutcome send(self, int fd) except? SEND_FAILED
    cdef Py_ssize_t copy_first(self, char* room, Py_ssize_t size) noexcept
    cdef int consume(self, Py_ssize_t count) except -1
    cdef int next_chunk(self) except -1
    cdef int clear(self) except -1

cdef ssize_t send_vector(int fd, iovec* vector, size_t count) noexcept
