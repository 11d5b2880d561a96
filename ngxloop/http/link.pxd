"""Link: a connection as its requests see it."""

from ngxloop.core.reactor cimport Reactor
from ngxloop.http.engine cimport Engine
from ngxloop.transports.receiver cimport Receiver
from ngxloop.transports.stream cimport StreamTransport
from ngxloop.transports.tls cimport TlsTransport

cdef class Link(Receiver):
    cdef readonly Engine engine
    cdef Reactor loop
    cdef StreamTransport stream      # the transport, or that below TLS; None once it is lost
    cdef TlsTransport tls            # None without TLS
    cdef object context              # of the connection
    cdef tuple client                # as in a scope; None until a request asks
    cdef tuple server
    cdef bint has_addresses
    cdef bint writing_paused         # the client takes no more now
    cdef bint left                   # the client has ended its half, or the server ends
    cdef bint lost                   # the connection is: nothing can be sent

    cdef object transport(self)
    cdef int use_addresses(self) except -1
    cdef bint has_unread(self) noexcept
    cdef int write(self, const char* data, Py_ssize_t size) except -1
    cdef int write_pieces(self, list pieces) except -1
    # what a connection does for its request
    cdef bint may_persist(self) except -1
    cdef int answer_held(self) except -1
    cdef int answer_ended(self, bint whole) except -1
    cdef int body_taken(self) except -1
    cdef int continue_body(self) except -1
