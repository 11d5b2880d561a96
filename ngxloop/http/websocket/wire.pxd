"""Wire: the connection of a WebSocket, from the handshake to its end."""

from libc.stdint cimport int64_t

from ngxloop.core.event cimport Event
from ngxloop.http.awaitables cimport WaitedFor
from ngxloop.http.link cimport Link
from ngxloop.http.websocket.deflate cimport Deflate
from ngxloop.http.websocket.inbox cimport WireState
from ngxloop.http.websocket.pings cimport Pings

cdef class Wire(Pings):
    cdef int close_code              # of the end, as the application is told; 0 before it
    cdef object close_reason
    cdef int failure                 # Failure: why the client's last frame ends the connection
    cdef Event conclusion            # does what the client's last frame demands, in a later turn
    cdef Py_ssize_t untaken_count    # messages that waited when it was posted
    # deadlines, besides those of Pings; 0: none
    cdef int64_t close_ns            # the client must have answered our Close
    cdef int64_t send_ns             # the client must have taken something
    cdef Py_ssize_t unsent_bytes     # what waited when send_ns was set

    cdef int move(self, WireState state) except -1
    cdef int close(self, int code, str reason) except -1
    cdef int fail_with(self, int code, str reason) except -1
    cdef int ended(self, int code, reason) except -1
    cdef int conclude_soon(self) except -1
    cdef int conclusion_due(self) except -1
    cdef int conclude(self) except -1
    cdef int close_received(self) except -1
    cdef int finish(self) except -1
    cdef int broken(self) except -1
    cdef int forget(self) except -1
    cdef int watch_output(self) except -1
    cdef int set_deadlines(self) except -1
    cdef dict disconnect(self)

cdef Wire wire_new(Link connection, WaitedFor listener, Deflate deflate)
