"""Scoreboard: the state of the workers, in memory that master and workers share."""

from libc.stdint cimport int64_t, uint64_t

from ngxloop.core.waker cimport Waker

cdef enum SlotState:
    STATE_DEAD = 0           # no process
    STATE_STARTING           # a process that does not serve yet
    STATE_READY              # serves
    STATE_DRAINING           # finishes what it has, takes nothing new
    STATE_STOPPING           # ends now
    STATE_COUNT

cdef enum GateState:
    GATE_OUT = 0             # does not listen: no listener, paused, full, drains
    GATE_IN                  # its listeners are in epoll
    GATE_LEFT                # has more than its share and comes back when the others have caught up
    GATE_CALLED              # has left; another worker wakes it to come back

cdef enum WaitState:
    WAIT_NONE = 0            # runs callbacks
    WAIT_KERNEL              # waits for the kernel
    WAIT_MUTEX               # the same, and wants to be woken when the accept mutex is let go

# What the HTTP engine of a worker counts.
cdef struct HttpFigures:
    int64_t is_counted       # whether an engine counts here; if not, the other fields are unknown
    int64_t in_flight        # requests without a complete answer
    uint64_t[6] answers      # begun, by the first digit of their status; the first is unused

# One worker's slot. Four parts by writer and frequency, on cache lines of their own.
cdef struct Slot:
    # written by the worker in every turn
    uint64_t turns           # turns of the loop
    int64_t beat_ns          # when the last turn began, CLOCK_MONOTONIC_COARSE (1 to 10 ms)
    int64_t waiting          # WAIT_*, others turn MUTEX into KERNEL; an old beat is idle, not stuck
    int64_t gate             # GATE_*; other workers turn GATE_LEFT into GATE_CALLED
    int64_t active           # accepted connections that are open
    uint64_t received_bytes  # by its loop, up to the last turn
    uint64_t sent_bytes
    char room_0[72]
    # written by the worker when it accepts
    uint64_t accepted        # connections taken
    uint64_t missed          # wake-ups for a connection that another worker had taken
    uint64_t left            # times it left because it had more than its share
    uint64_t locks           # times it took the accept mutex
    uint64_t pauses          # times it was out of fds or memory
    uint64_t calls           # times it rang for another worker
    uint64_t requests        # requests answered, if the application's server counts them
    char room_1[72]
    # written at the beginning and the end of a worker's life and when its state changes
    int64_t pid              # 0 while the slot is free
    int64_t state            # STATE_*
    char room_2[112]
    # written by the worker for each request
    HttpFigures http
    char room_3[64]

# The part that all workers share.
cdef struct Header:
    int64_t mutex_pid        # the holder of the accept mutex, 0 if it is free
    uint64_t mutex_taken     # how often it was taken; written by the holder
    char room[112]

cdef class Scoreboard:
    cdef void* mapping               # OWNS: the shared memory: one Header, then the slots
    cdef size_t mapping_bytes
    cdef int* wakeup_fds             # OWNS: eventfds that end a worker's wait; -1: a slot has none
    cdef Header* header
    cdef Slot* slots
    cdef readonly int slot_count
    # Of this process alone, so that no other one can write it.
    cdef int own_slot                # the slot that a gate here uses, -1: none
    cdef int64_t own_state           # STATE_*, as this process has set it
    cdef bint is_woken               # wake() was called: the gate has to decide again
    cdef bint is_urged               # and take what waits, whatever the scoreboard says
    cdef Waker waker                 # ends the wait of this process's loop; None without a gate

    cdef Slot* slot_at(self, index) except NULL
    cdef int use(self, int slot, Waker waker) noexcept
    cdef int repair_wakeup_fds(self) noexcept
    cdef int wake_worker(self, int index) noexcept
    cdef int ring_left(self) noexcept
    cdef int ring_all(self) noexcept
