"""Writer: the writing half of a stream or pipe."""

from ngxloop.core.linux cimport iovec
from ngxloop.transports.outbuf cimport OutBuffer
from ngxloop.transports.transport cimport Transport

cdef class Writer(OutBuffer):
    cdef object empty_waiter         # future of sendfile, done when the output has left
    cdef object writable_waiter      # future of sendfile, done when the kernel takes more
    cdef int flush_depth             # how many flush() are on the stack
    cdef bint blocked                # the kernel's buffer is full: wait for OUT
    cdef bint ending                 # inside write_eof(), which raises what shutdown() answers
    cdef bint ended                  # write_eof() was called: our half ends behind the output

    cdef int send_now(self, Transport transport, bytes data) except -1
    cdef int send_memory(
        self, Transport transport, const char* data, Py_ssize_t size
    ) except -1
    cdef int keep_rest(
        self, Transport transport, const char* data, Py_ssize_t size, ssize_t count, int error
    ) except -1
    cdef bint is_needed(self) noexcept
    cdef int send_around(self, Transport transport, iovec* parts, bytes data) except -1
    cdef int postpone(self, Transport transport, bytes data) except -1
    cdef int send_soon(self, Transport transport) except -1
    cdef int flush(self, Transport transport) except -1
    cdef int send_waiting(self, Transport transport) except -1
    cdef int unblock(self) except -1
    cdef int watch_again(self, Transport transport) except -1
    cdef int wait_writable(self, Transport transport) except -1
    cdef int all_sent(self, Transport transport) except -1
    cdef int end(self, Transport transport) except -1
    cdef int shut_down(self, Transport transport) except -1
    cdef int drop(self) except -1
    cdef object make_empty_waiter(self, Transport transport)
    cdef object make_writable_waiter(self, Transport transport)
    cdef int refuse_write(self) except -1
    cdef bytes content(self)

cdef bytes copied(data)
