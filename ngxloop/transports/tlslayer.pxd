"""TlsLayer: the life of a TLS connection, from the handshake to the end."""

from ngxloop.transports.tlsflow cimport TlsFlow

# What the protocol has been told.
cdef enum AppState:
    APP_NEW = 0                      # nothing: connection_made() follows the handshake
    APP_MADE                         # connection_made(), by us or, before start_tls(), by another
    APP_ENDED                        # eof_received()
    APP_LOST                         # connection_lost(), or it will be in the next turn

cdef class TlsLayer(TlsFlow):
    cdef object waiter               # future that the handshake's end resolves, or None
    cdef object handshake_timeout    # seconds, as they were given
    cdef object shutdown_timeout
    cdef object timer                # of the handshake, later of the shutdown; None if none runs
    cdef object handshake_start      # loop time, in debug mode
    cdef readonly object _sslcontext
    cdef readonly bint _server_side
    cdef AppState app_state
    cdef bint handshaken             # the answers of get_extra_info() are there
    cdef bint ended                  # the transport below has received the end of the stream

    cdef int start_handshake(self) except -1
    cdef int go_on_with_handshake(self) except -1
    cdef int handshake_done(self) except -1
    cdef int handshake_failed(self, exc) except -1
    cdef int end_of_stream(self) except -1
    cdef int tell_end(self) except -1
    cdef int close(self) except -1
    cdef int abort(self, exc) except -1
    cdef int close_by_protocol(self) except -1
    cdef int finish(self) except -1
    cdef int go_on_with_shutdown(self) except -1
    cdef int force_lower(self, exc) except -1
    cdef int start_timer(self, seconds, callback) except -1
    cdef int stop_timer(self) except -1
    cdef int wake(self, exc) except -1
