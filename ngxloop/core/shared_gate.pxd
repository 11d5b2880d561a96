"""SharedGate: a worker among others on the same listening sockets."""

from libc.stdint cimport int64_t, uint64_t

from ngxloop.core.gate cimport AcceptGate
from ngxloop.core.scoreboard cimport Scoreboard, Slot

cdef class SharedGate(AcceptGate):
    cdef readonly Scoreboard board
    cdef Slot* own                   # BORROWED: our slot in board's memory; &apart in a fork
    cdef Slot apart                  # the child's: the slot in the memory is the parent's
    cdef readonly int slot
    cdef readonly int64_t worker_connections
    cdef int64_t pid                 # the process that runs the loop
    cdef int64_t now_ns              # when this turn began; the slot's beat_ns can be overwritten
    cdef int64_t heartbeat_ns        # the longest wait of all, so that a master sees the loop turn
    cdef int64_t quiet_ns            # the longest wait between two checks of what others do
    cdef bint is_urged               # a connection waits that no worker takes
    cdef int64_t wait_ns             # the longest wait for now, -1 for ever
    cdef int64_t recheck_ns          # the beat from which on the decision is checked again
    cdef int64_t retry_ns            # when to enter where epoll had no memory; INT64_MAX: never
    cdef const uint64_t* loop_bytes[2]   # BORROWED: what the loop has received, and sent; or NULL
    cdef uint64_t[2] told_bytes      # what of that the scoreboard knows
    cdef bint unsettled              # what the last decision rested upon has changed

    cdef int64_t longest_wait(self) noexcept
    cdef int64_t quiet_delay(self, int64_t since_ns, int64_t least_ms) noexcept
    cdef int settle(self) except -1
    cdef int woken_by_other(self) except -1
    cdef bint must_stay_out(self) noexcept
    cdef bint takes_part(self, Slot* other) noexcept
    cdef bint is_nearly_full(self) noexcept
    cdef void beat(self) noexcept
    cdef void tell_bytes(self) noexcept
