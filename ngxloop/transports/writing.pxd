"""Writer: the writing half of a stream or pipe."""

from ngxloop.transports.base cimport SocketTransport
from ngxloop.transports.outbuf cimport OutBuffer

cdef class Writer(OutBuffer):
    cdef object empty_waiter         # future of sendfile, done when the output has left
    cdef object writable_waiter      # future of sendfile, done when the kernel takes more
    cdef bint blocked                # the kernel's buffer is full: wait for OUT
    cdef bint ended                  # write_eof() was called: our half ends behind the output

    cdef int write(self, SocketTransport transport, bytes data) except -1
    cdef int flush(self, SocketTransport transport) except -1
    cdef int unblock(self) except -1
    cdef int watch_again(self, SocketTransport transport) except -1
    cdef int wait_writable(self, SocketTransport transport) except -1
    cdef int all_sent(self, SocketTransport transport) except -1
    cdef int end(self, SocketTransport transport) except -1
    cdef int drop(self) except -1
    cdef object make_empty_waiter(self, SocketTransport transport)
    cdef object make_writable_waiter(self, SocketTransport transport)
    cdef int refuse_write(self) except -1
    cdef bytes content(self)

cdef bytes copied(data)
