"""Reactor: the turn of the event loop."""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ngxloop.core.event cimport EventQueue
from ngxloop.core.gate cimport AcceptGate
from ngxloop.core.polling cimport Polling
from ngxloop.core.stopwatch cimport Stopwatch
from ngxloop.core.timerqueue cimport TimerQueue
from ngxloop.core.waker cimport Waker

cdef class Reactor(Polling):
    cdef EventQueue batch            # what runs now
    cdef EventQueue flushes          # transports whose output is joined until the turn ends
    cdef TimerQueue timers
    cdef Waker waker
    cdef Stopwatch stopwatch
    cdef AcceptGate gate             # never None
    cdef char* receive_buffer        # OWNS: RECEIVE_BYTES, shared by all streams; made when needed
    cdef dict inboxes                # what datagram endpoints receive into; None until needed
    cdef bint stopping
    cdef bint debugging
    cdef bint coalescing             # set_write_coalescing(): join the writes of a turn
    cdef bint joining                # coalescing, and a turn is under way that will flush
    cdef bint watches_signals        # a signal handler is installed: its pipe must be polled
    cdef bint clock_overridden       # time() is not ours: test clocks drive the timers
    cdef bint call_at_overridden     # call_at() is not ours: call_later() must call it
    cdef uint32_t internal_count     # slots that are the loop's own
    cdef int64_t busy_poll_ns        # how long to busy-poll before sleeping; 0: not at all
    cdef readonly uint64_t turn_count
    cdef uint64_t sleep_count        # waits that may have blocked
    # counted by the transports
    cdef uint64_t received_bytes
    cdef uint64_t sent_bytes
    cdef uint64_t accept_count
    cdef uint64_t accept_pause_count

    # the turn
    cdef int turn(self) except -1
    cdef int collect_events(self) except -1
    cdef int64_t wait_limit(self, int64_t limit_ns) except? -2
    cdef int sleep(self, int64_t timeout_ns) except -1
    cdef int wait_awake(self, int64_t timeout_ns) except -1
    cdef int wait_asleep(self, int64_t timeout_ns) except -1
    cdef int run_accepts(self) except -1
    cdef int expire_timers(self) except -1
    cdef int run_ready(self) except -1
    cdef int flush(self) except -1
    cdef int turns_ended(self) except -1
    # for the layers above
    cdef int check_open(self) except -1
    cdef int64_t now_ns(self) except? -1
    cdef char* shared_buffer(self) except NULL
    cdef object time_now(self)
    cdef int look_for_overrides(self) except -1
