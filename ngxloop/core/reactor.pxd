"""Reactor: the turn of the event loop."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ngxloop.core.event cimport Connection, Event, EventQueue
from ngxloop.core.gate cimport AcceptGate
from ngxloop.core.pool cimport ConnectionPool
from ngxloop.core.poller cimport Poller
from ngxloop.core.rbtree cimport RbTree
from ngxloop.core.waker cimport Waker

cdef class Reactor:
    cdef EventQueue ready            # what runs in the next batch
    cdef EventQueue batch            # what runs now
    cdef EventQueue accepts          # listeners with something to accept
    cdef EventQueue flushes          # connections that were written to in this turn
    cdef RbTree timers
    cdef Poller poller
    cdef ConnectionPool pool
    cdef Waker waker
    cdef AcceptGate gate             # never None
    cdef char* receive_buffer        # OWNS: RECEIVE_BYTES, shared by all streams; made when needed
    cdef dict inboxes                # what datagram endpoints receive into; None until needed
    cdef bint closed
    cdef bint stopping
    cdef bint debugging
    cdef bint in_turn                # writes may wait for the end of the turn
    cdef bint watches_signals        # a signal handler is installed: its pipe must be polled
    cdef bint poller_is_new          # its epoll instance knows of no fd yet
    cdef uint64_t stale_key          # the last kernel event that was for a former user of a slot
    cdef uint64_t stale_poll         # in which wait it came, as poll_count
    cdef bint clock_overridden       # time() is not ours: test clocks drive the timers
    cdef uint32_t internal_count     # slots that are the loop's own
    cdef double slow_seconds
    cdef object current_handle
    cdef readonly uint64_t turn_count
    cdef readonly uint64_t poll_count

    # the turn
    cdef int turn(self) except -1
    cdef int collect_events(self) except -1
    cdef int64_t wait_limit(self, int64_t limit_ns) except? -2
    cdef int sleep(self, int64_t timeout_ns) except -1
    cdef int dispatch(self, int count) except -1
    cdef int drop_stale(self, uint64_t key) except -1
    cdef int run_accepts(self) except -1
    cdef int expire_timers(self) except -1
    cdef int run_ready(self) except -1
    cdef int run_ready_debugging(self) except -1
    cdef int run_flushes(self) except -1
    cdef int watch_again(self) except -1
    cdef int apply_changes(self) except -1
    # for the layers above
    cdef void post(self, Event* ev) noexcept
    cdef int check_open(self) except -1
    cdef int64_t now_ns(self) except? -1
    cdef char* shared_buffer(self) except NULL
    cdef int check_call(self, callback, str method) except -1
    cdef list origin(self)
    cdef object time_now(self)

cdef int claim_fd(Reactor reactor, int fd) except -1
