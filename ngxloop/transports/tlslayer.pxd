"""TlsLayer: the life of a TLS connection, from the handshake to the end."""

from libc.stdint cimport int64_t

from ngxloop.transports.tlshandshake cimport TlsHandshake

cdef class TlsLayer(TlsHandshake):
    cdef object shutdown_timeout     # seconds, as they were given
    cdef readonly object _sslcontext
    cdef bint ended                  # the transport below has received the end of the stream

    cdef int end_of_stream(self) except -1
    cdef int tell_end(self) except -1
    cdef int close(self) except -1
    cdef int linger(
        self, double quiet_seconds, double total_seconds, int64_t bytes_max
    ) except -1
    cdef int abort(self, exc) except -1
    cdef int close_by_protocol(self) except -1
    cdef int finish(self) except -1
    cdef int go_on_with_shutdown(self) except -1
    cdef int force_lower(self, exc) except -1
