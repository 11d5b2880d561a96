"""WebSocket: a WebSocket as its application sees it."""

from ngxloop.core.flag cimport flag
from ngxloop.http.head cimport METHOD_GET, Head
from ngxloop.http.request cimport Request
from ngxloop.http.websocket.wire cimport Wire

# See TRANSITIONS in session.pyx.
cdef enum Stage:
    STAGE_CONNECTING = 0
    STAGE_DENYING
    STAGE_OPEN
    STAGE_CLOSED

cdef class WebSocket(Request):
    cdef Stage stage
    cdef Wire wire                   # None until the application accepts
    cdef object handshake            # a Handshake; None behind it
    cdef flag connect_taken          # the application has websocket.connect
    cdef int close_code              # of the Close when the application ends

    cdef int open(self, dict scope) except -1
    cdef int advance(self, Stage stage) except -1
    cdef int accept(self, message) except -1
    cdef int add_handshake(self, message) except -1
    cdef int deny(self, int status) except -1
    cdef int begin_denial(self, message) except -1
    cdef object send_denial(self, message)
    cdef object send_open(self, kind, message)
    cdef object send_message(self, message)
    cdef object refuse_message(self, kind)
    cdef int close_by_application(self, message) except -1
    cdef int end(self, bint is_explained) except -1

cdef Request websocket_new()
cdef int websocket_open(Request request, dict scope) except -1


cdef inline bint wants_websocket(const Head* head) noexcept:
    """Return whether a request asks for a WebSocket; with other methods than GET it does not."""
    return head.wants_websocket and head.method_id == METHOD_GET
