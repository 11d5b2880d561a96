"""Pings: those of the client, which are answered, and ours."""

from libc.stdint cimport int64_t, uint32_t

from ngxloop.http.websocket.outbox cimport Outbox

cdef class Pings(Outbox):
    cdef uint32_t ping_count         # the payload of our last Ping
    cdef int answered_count          # Pings of one receive that were answered at once
    cdef bytes owed_pong             # the payload of a Pong that is sent later, or None
    cdef int64_t ping_ns             # when our next Ping is due; 0: never
    cdef int64_t pong_ns             # when the client must have answered it; 0: no Ping is open

    cdef int ping_received(self) except -1
    cdef int pong_received(self) except -1
    cdef int send_owed_pong(self) except -1
    cdef int ping(self, int64_t now_ns) except -1
    cdef bint has_missed_pong(self, int64_t now_ns) except -1
