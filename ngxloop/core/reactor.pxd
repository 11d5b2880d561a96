"""Reactor: the turn of the event loop."""

from libc.stdint cimport uint64_t

from ngxloop.core.event cimport EventQueue
from ngxloop.core.waiting cimport Waiting

cdef class Reactor(Waiting):
    cdef EventQueue batch            # what runs now
    cdef EventQueue flushes          # transports whose output is joined until the turn ends
    cdef char* receive_buffer        # OWNS: RECEIVE_BYTES, shared by all streams; made when needed
    cdef list inboxes                # two that datagram endpoints receive into; None until needed
    cdef object ready_view           # what _ready is; None until asked for
    cdef object timer_view           # what _scheduled is; None until asked for
    cdef unsigned long turns_thread  # the thread that turns the loop; 0 if none does
    cdef bint debugging
    cdef bint coalescing             # set_write_coalescing(): join the writes of a turn
    cdef bint joining                # coalescing, and a turn is under way that will flush
    cdef bint call_at_overridden     # call_at() is not ours: call_later() must call it
    cdef readonly uint64_t turn_count
    # counted by the transports
    cdef uint64_t received_bytes
    cdef uint64_t sent_bytes
    cdef uint64_t accept_count
    cdef uint64_t accept_pause_count

    # the turn
    cdef int turn(self) except -1
    cdef int run_accepts(self) except -1
    cdef int settle_timers(self) except -1
    cdef int expire_timers(self) except -1
    cdef int run_ready(self) except -1
    cdef int flush(self) except -1
    cdef unsigned long enter_turns(self) except? 1
    cdef int turns_ended(self) except -1
    # for the layers above
    cdef int check_open(self) except -1
    cdef char* shared_buffer(self) except NULL
    cdef object time_now(self)
    cdef int look_for_overrides(self) except -1
