"""FdWatching: add_reader, add_writer and the like."""

from libc.stdint cimport uint32_t

from ngxloop.core.event cimport Connection
from ngxloop.core.handle cimport Handle
from ngxloop.core.scheduling cimport Scheduling

cdef class FdWatching(Scheduling)

cdef class Waiter:
    cdef int fail_wait(self, exc) except -1

cdef class Watcher:
    cdef object sock                 # weak reference: the socket that epoll has under this fd
    cdef object fileobj              # the user's object for the fd, kept alive while it is watched
    cdef FdWatching loop             # None once the loop is closed
    cdef int fd
    cdef Handle reader               # None while nothing waits for reading
    cdef Handle writer

cdef class FdWatching(Scheduling):
    cdef Handle watch_fd(self, fileobj, bint writing, callback, args, context)
    cdef object unwatch_fd(self, fileobj, bint writing)
    cdef Connection* watched(self, fileobj) except? NULL
    cdef Connection* watcher_connection(self, int fd) except NULL
    cdef int waitable_fd(self, sock) except -1
    cdef int refuse_transport(self, fileobj, int fd) except -1
    cdef Handle wait_fd(self, int fd, sock, bint writing, callback)
    cdef int end_wait_fd(self, int fd, bint writing, Handle handle) except -1
    cdef int request(self, Connection* connection, uint32_t mask) except -1

cdef int fileobj_to_fd(fileobj) except -1
cdef int socket_to_fd(sock) except -1
