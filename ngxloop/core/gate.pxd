"""AcceptGate: decides when this process watches its listeners."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ngxloop.core.event cimport Connection
from ngxloop.core.poller cimport Poller
from ngxloop.core.waker cimport Waker

cdef struct WatchedListener:
    Connection* connection   # BORROWED: the listener's slot, until listener_remove
    uint64_t accept_count    # connections this process has taken from it
    bint is_served           # it has accepted since it was at the end of the queue; mode fair

cdef class AcceptGate:
    cdef Poller poller               # None until a loop has taken the gate
    cdef int wakeup_fd               # eventfd with which others end the wait, -1 if there is none
    cdef Connection* wakeup          # BORROWED: the slot that watches it, until the loop closes
    cdef WatchedListener* listeners  # OWNS
    cdef int listener_count
    cdef int listener_capacity
    cdef uint32_t mask               # what listeners are watched for: EPOLLIN and the mode's flags
    cdef readonly bint watching      # the listeners are in epoll
    cdef readonly bint paused        # out of fds or memory: nothing is accepted for a while
    cdef readonly int accept_limit   # connections taken for one event of one listener
    cdef readonly int64_t active     # accepted connections that are open

    cdef int attach(self, Poller poller, Connection* wakeup, Waker waker) except -1
    cdef void count_bytes(self, const uint64_t* received, const uint64_t* sent) noexcept
    cdef int64_t before_wait(self, bint may_block) except? -2
    cdef int accepted(self, Connection* listener) except -1
    cdef int after_accepts(self) except -1
    cdef bint wants_room(self) noexcept
    cdef bint is_full(self) noexcept
    cdef void accept_missed(self) noexcept
    cdef void connection_closed(self) noexcept
    cdef void turns_ended(self) noexcept
    cdef void loop_closed(self) noexcept
    cdef void forked(self) noexcept

    cdef int listener_add(self, Connection* listener) except -1
    cdef int listener_remove(self, Connection* listener) except -1
    cdef int pause(self) except -1
    cdef int resume(self) except -1
    cdef int watch(self) except -1
    cdef int enter(self, Connection* listener) except -1
    cdef int unwatch(self) except -1
    cdef bint starts_watching(self) noexcept
    cdef int grow(self) except -1
