"""Link: a connection as its requests see it."""

from ngxloop.core.flag cimport flag
from ngxloop.core.linux cimport iovec
from ngxloop.core.reactor cimport Reactor
from ngxloop.http.engine cimport Engine
from ngxloop.http.expiry cimport Expiring
from ngxloop.transports.stream cimport StreamTransport
from ngxloop.transports.tls cimport TlsTransport

cdef class Link(Expiring):
    cdef readonly Engine engine
    cdef Reactor loop
    cdef StreamTransport stream      # the transport, or that below TLS; None once it is lost
    cdef TlsTransport tls            # None without TLS
    cdef dict tls_facts              # the ASGI extension tls; None until a request asks
    cdef tuple client                # as in a scope; None until a request asks
    cdef tuple server
    cdef flag has_addresses
    cdef flag writing_paused         # the client takes no more now
    cdef flag running                # run() is on the stack, and goes on by itself
    cdef flag starting               # an application's first step is on the stack
    cdef flag gathers                # more requests are here: their answers leave together
    cdef flag left                   # the client has ended its half, or the server ends
    cdef flag lost                   # the connection is: nothing can be sent

    cdef object transport(self)
    cdef int use_addresses(self) except -1
    cdef dict tls_extension(self)
    cdef bint has_unread(self) noexcept
    cdef int write(self, const char* data, Py_ssize_t size) except -1
    cdef int write_last(self, const char* data, Py_ssize_t size) except -1
    cdef int write_around(self, iovec* parts, bytes data) except -1
    # what a connection does for its request
    cdef bint may_persist(self) except -1
    cdef int answer_held(self) except -1
    cdef int answer_ended(self, bint whole) except -1
    cdef int body_taken(self) except -1
    cdef int continue_body(self) except -1
    cdef int upgrade(self, Link successor) except -1
    # what a successor does then
    cdef int upgraded(self, const char* data, Py_ssize_t size) except -1
