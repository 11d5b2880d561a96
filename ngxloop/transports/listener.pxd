"""Listener: accepts connections from one listening socket."""

from ngxloop.core.event cimport Connection
from ngxloop.core.linux cimport sockaddr_storage
from ngxloop.core.reactor cimport Reactor

cdef class Listener:
    cdef Reactor loop
    cdef Connection* connection      # BORROWED: our slot; NULL once closed or the loop is closed
    cdef object sock                 # the Python socket; it belongs to the Server
    cdef object socket_kind          # (family, type, proto) of every accepted socket
    cdef object protocol_factory
    cdef object server
    cdef object context              # copied for each connection
    cdef object local                # address of every accepted socket; None if bound to a wildcard

    cdef int accept_some(self, int limit) except -1
    cdef int accept_failed(self, int error) except -1
    cdef int out_of_resources(self, int error) except -1
    cdef int open_connection(self, int fd, sockaddr_storage* peer, size_t size) except -1
    cdef int drop_connection(self, int fd) except -1
