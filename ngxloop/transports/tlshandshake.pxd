"""TlsHandshake: the beginning of a TLS connection."""

from ngxloop.transports.tlsflow cimport TlsFlow

# Which calls the protocol has got.
cdef enum AppState:
    APP_NEW = 0                      # none: connection_made() follows the handshake
    APP_MADE                         # connection_made(), by us or, before start_tls(), by others
    APP_ENDED                        # eof_received()
    APP_LOST                         # connection_lost(), now or in the next turn

cdef class TlsHandshake(TlsFlow):
    cdef object waiter               # future that the handshake's end resolves, or None
    cdef object handshake_timeout    # seconds, as they were given
    cdef object timer                # of the handshake, later of the shutdown; None if none runs
    cdef object handshake_start      # loop time, in debug mode
    cdef AppState app_state
    cdef bint handshaken             # get_extra_info() can answer
    cdef readonly bint _server_side
    cdef bytes first                 # the beginning of what a client has sent; for the refusal

    cdef int start_handshake(self) except -1
    cdef int go_on_with_handshake(self) except -1
    cdef int note_first(self, const char* data, Py_ssize_t size) except -1
    cdef int handshake_done(self) except -1
    cdef int handshake_failed(self, exc) except -1
    cdef int start_timer(self, seconds, callback) except -1
    cdef int stop_timer(self) except -1
    cdef int wake(self, exc) except -1
