"""FairGate: every worker has about as many open connections as the others."""

from libc.stdint cimport int64_t, uint64_t

from ngxloop.core.exclusive_gate cimport ExclusiveGate

cdef class FairGate(ExclusiveGate):
    cdef int64_t total               # connections of all workers that take part, at the last check
    cdef int64_t count               # the number of these workers
    cdef int64_t check_ns            # when to check whether the others accept
    cdef uint64_t others_accepted    # what they had accepted at the last check
    cdef uint64_t others_turns       # turns of the workers that listen, at the last check
    cdef int64_t changed_ns          # since when the checks have found no change
    cdef int64_t extra               # connections to take beyond the share because others do not
    cdef int64_t urged_until_ns      # until when the share does not count

    cdef bint is_served              # one of the listeners is

    cdef int step_back(self) except -1
    cdef int stay_in(self) except -1
    cdef int leave(self) except -1
    cdef int stay_out(self) except -1
    cdef int check_others(self, int64_t now_ns) noexcept
    cdef uint64_t accepted_by_others(self) noexcept
    cdef bint others_sleep(self) noexcept
    cdef bint connection_waits(self) noexcept
    cdef bint above_share(self, bint inside) noexcept
    cdef int add_up(self) noexcept
    cdef int call_back(self) noexcept
    cdef void look_again(self, bint soon) noexcept
