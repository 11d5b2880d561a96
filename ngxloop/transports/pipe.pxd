"""PipeTransport: what both ends of a pipe have."""

from libc.stdint cimport uint32_t
from posix.types cimport mode_t

from ngxloop.core.reactor cimport Reactor
from ngxloop.transports.transport cimport Transport

cdef class PipeTransport(Transport):
    cdef object pipe                 # the Python object that owns the pipe's fd; None once closed
    cdef int pipe_fd                 # the pipe's own number; fd is a duplicate if it is another one
    cdef mode_t mode                 # st_mode: what kind of file this is
    cdef bint unpolled               # epoll refuses this file: reading and writing never wait

    cdef int open_pipe(
        self, Reactor reactor, pipe, protocol, extra, context, str refusal
    ) except -1
    cdef int watch(self, uint32_t mask) except -1
    cdef bint is_fifo(self) noexcept
    cdef bint is_socket(self) noexcept
