"""Lingering: the end of a connection whose peer may still be sending."""

from libc.stdint cimport int64_t

from ngxloop.core.timed cimport Timed
from ngxloop.transports.transport cimport Transport

cdef class Lingering(Timed):
    cdef Transport transport         # None once the connection is lost
    cdef int64_t quiet_ns            # it ends when nothing has come for this long
    cdef int64_t total_ns            # it lasts no longer than this
    cdef int64_t bytes_left          # it ends when more than this has come
    cdef int64_t end_ns              # when it ends at the latest
    cdef bint shut                   # our half has ended: the output is sent
    cdef bint peer_ended             # the peer's half has ended

    cdef int output_sent(self) except -1
    cdef int receive(self) except -1
    cdef int receive_ended(self, bint orderly) except -1
    cdef int end(self) except -1

cdef Lingering lingering_new(
    Transport transport, double quiet_seconds, double total_seconds, int64_t bytes_max
)
