"""OutBuffer: what a stream has yet to send.

Rules. bytes are kept by reference, as they are immutable; the caller copies anything else. One
send() for a single chunk, sendmsg() for up to SEND_VECTOR_COUNT chunks. Several chunks that are
small together, such as the head and the body of an answer, are copied side by side on the stack and
leave with one send(), which costs the kernel 150 ns less than a vector of two (Linux 6.18). An idle
connection has no buffer or an empty one; the list is dropped when it has been sent.

What others write into the same pipe must not get between our chunks more often than with a write()
for each: small chunks share a writev() only up to PIPE_BUF bytes, which the kernel takes in
one piece (pipe(7)).
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.pyport cimport PY_SSIZE_T_MAX
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memcpy, memset

from ngxloop.core.limits cimport SEND_JOINED_BYTES, SEND_VECTOR_COUNT
from ngxloop.core.linux cimport MSG_NOSIGNAL, PIPE_BUF, iovec, msghdr, sendmsg, write, writev
from ngxloop.core.linux cimport send as socket_send


cdef class OutBuffer:
    """Bytes on their way to an fd; see the file header."""

    cdef int append(self, object data) except -1:
        """Add a bytes object that is not empty."""
        if self.head is None:
            self.head = data
        elif self.rest is None:
            self.rest = [data]
        else:
            self.rest.append(data)
        self.size += PyBytes_GET_SIZE(data)
        return 0

    cdef SendOutcome send(self, int fd) except? SEND_FAILED:
        """Pass to the kernel as much as it takes, without blocking."""
        cdef ssize_t count
        while self.size:
            if self.to_pipe:
                count = write_some(self, fd)
            elif self.rest is None:
                count = send_head(self, fd)
            elif self.size <= SEND_JOINED_BYTES:
                count = send_joined(self, fd)
            else:
                count = send_several(self, fd)
            if count == self.size:
                self.clear()
                return SENT_ALL
            if count >= 0:
                self.consume(count)
            elif errno == EAGAIN:
                return SEND_BLOCKED
            elif errno != EINTR:
                self.error = errno
                return SEND_FAILED
        return SENT_ALL

    cdef Py_ssize_t copy_first(self, char* room, Py_ssize_t size) noexcept:
        """Copy the first bytes to room, size at most, from more than one chunk; return how many."""
        cdef Py_ssize_t total = 0
        cdef Py_ssize_t i = self.first
        cdef Py_ssize_t offset = self.offset
        cdef Py_ssize_t count
        cdef object chunk = self.head
        while total < size:
            count = min(PyBytes_GET_SIZE(chunk) - offset, size - total)
            memcpy(room + total, PyBytes_AS_STRING(chunk) + offset, count)
            total += count
            offset = 0
            if i == PyList_GET_SIZE(self.rest):
                break
            chunk = <object>PyList_GET_ITEM(self.rest, i)
            i += 1
        return total

    cdef int consume(self, Py_ssize_t count) except -1:
        """Forget the first count bytes, but not all."""
        cdef Py_ssize_t left
        self.size -= count
        left = PyBytes_GET_SIZE(self.head) - self.offset
        while count >= left:
            count -= left
            self.next_chunk()
            left = PyBytes_GET_SIZE(self.head)
        self.offset += count
        return 0

    cdef int next_chunk(self) except -1:
        """Move the first chunk of rest to head; sent chunks leave the list now and then."""
        self.head = <object>PyList_GET_ITEM(self.rest, self.first)
        self.offset = 0
        self.first += 1
        if self.first == PyList_GET_SIZE(self.rest):
            self.rest = None
            self.first = 0
        elif self.first >= SEND_VECTOR_COUNT:
            del self.rest[:self.first]
            self.first = 0
        return 0

    cdef int clear(self) except -1:
        """Forget everything."""
        self.head = self.rest = None
        self.size = self.first = self.offset = 0
        return 0


cdef inline ssize_t send_head(OutBuffer buf, int fd) noexcept:
    return socket_send(fd, PyBytes_AS_STRING(buf.head) + buf.offset, buf.size, MSG_NOSIGNAL)


cdef ssize_t send_joined(OutBuffer buf, int fd) noexcept:
    """Send everything as one piece of memory; it has room on the stack."""
    cdef char joined[SEND_JOINED_BYTES]
    cdef char* end = joined
    cdef Py_ssize_t count = PyBytes_GET_SIZE(buf.head) - buf.offset
    cdef Py_ssize_t i
    cdef object chunk
    memcpy(end, PyBytes_AS_STRING(buf.head) + buf.offset, count)
    for i in range(buf.first, PyList_GET_SIZE(buf.rest)):
        end += count
        chunk = <object>PyList_GET_ITEM(buf.rest, i)
        count = PyBytes_GET_SIZE(chunk)
        memcpy(end, PyBytes_AS_STRING(chunk), count)
    return socket_send(fd, joined, buf.size, MSG_NOSIGNAL)


cdef ssize_t send_several(OutBuffer buf, int fd) noexcept:
    cdef iovec vector[SEND_VECTOR_COUNT]
    return send_vector(fd, vector, fill_vector(buf, vector, PY_SSIZE_T_MAX))


cdef ssize_t send_vector(int fd, iovec* vector, size_t count) noexcept:
    """Send several pieces of memory; return what sendmsg() does, with errno."""
    cdef msghdr message
    memset(&message, 0, sizeof(message))
    message.msg_iov = vector
    message.msg_iovlen = count
    return sendmsg(fd, &message, MSG_NOSIGNAL)


cdef ssize_t write_some(OutBuffer buf, int fd) noexcept:
    cdef iovec vector[SEND_VECTOR_COUNT]
    if buf.rest is None:
        return write(fd, PyBytes_AS_STRING(buf.head) + buf.offset, buf.size)
    return writev(fd, vector, fill_vector(buf, vector, PIPE_BUF))


cdef int fill_vector(OutBuffer buf, iovec* vector, Py_ssize_t limit_bytes) noexcept:
    """Name the first chunks, as many as fit into the vector and the limit, but at least one."""
    cdef Py_ssize_t count = min(PyList_GET_SIZE(buf.rest) - buf.first, SEND_VECTOR_COUNT - 1)
    cdef Py_ssize_t i
    cdef object chunk
    vector[0].iov_base = PyBytes_AS_STRING(buf.head) + buf.offset
    vector[0].iov_len = PyBytes_GET_SIZE(buf.head) - buf.offset
    limit_bytes -= vector[0].iov_len
    for i in range(count):
        chunk = <object>PyList_GET_ITEM(buf.rest, buf.first + i)
        limit_bytes -= PyBytes_GET_SIZE(chunk)
        if limit_bytes < 0:
            return i + 1
        vector[i + 1].iov_base = PyBytes_AS_STRING(chunk)
        vector[i + 1].iov_len = PyBytes_GET_SIZE(chunk)
    return count + 1
