"""DatagramOutbox: the datagrams an endpoint has yet to send."""

from ngxloop.core.linux cimport iovec, mmsghdr, sockaddr_storage

cdef enum OutboxState:
    OUTBOX_EMPTY = 1
    OUTBOX_BLOCKED           # the kernel takes no more
    OUTBOX_REFUSED           # it did not take one, which is dropped: errno is in error
    OUTBOX_UNRESOLVED        # the first one's address needs the socket module

cdef class DatagramOutbox:
    cdef list data                   # bytes objects; None while empty, as addresses
    cdef list addresses              # where each goes; None means where the socket is connected to
    cdef Py_ssize_t first            # those before this index are sent
    cdef Py_ssize_t count            # datagrams that wait
    cdef Py_ssize_t size             # what they count for, in bytes
    cdef Py_ssize_t sent_bytes       # what the last send() has sent
    cdef int error

    cdef int append(self, bytes data, object address) except -1
    cdef OutboxState send(self, int fd, int family, bint connected) except? OUTBOX_EMPTY
    cdef int fill(
        self,
        mmsghdr* headers,
        iovec* vectors,
        sockaddr_storage* names,
        int family,
        bint connected,
    ) except -1
    cdef tuple take(self)
    cdef int put_back(self, bytes data, object address) except -1
    cdef int drop(self, Py_ssize_t count) except -1
    cdef int clear(self) except -1
