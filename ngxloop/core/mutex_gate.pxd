"""MutexGate: one worker at a time listens."""

from libc.stdint cimport int64_t, uint64_t

from ngxloop.core.shared_gate cimport SharedGate

cdef class MutexGate(SharedGate):
    cdef bint held                   # we have the mutex, for this turn
    cdef int64_t seen_pid            # its holder when we last did not get it
    cdef uint64_t seen_taken         # how often it had been taken then
    cdef int64_t changed_ns          # since when nothing has changed, or the last wake-up
    cdef int64_t asked_ns            # when we last saw a change or checked that the holder is alive

    cdef bint lock(self) noexcept
    cdef bint seize(self) noexcept
    cdef void unlock(self) noexcept
    cdef int ring_waiter(self) noexcept
    cdef bint holder_is_dead(self) noexcept
    cdef bint should_leave(self) noexcept
    cdef int stay_out(self, int64_t gate) except -1
