"""The two structures of the loop: an Event that can run, a Connection that has two of them.

Rules. An Event is plain memory inside the thing it belongs to (a Handle, a Connection); it is never
allocated alone and never moves. The core calls `ev.handler(ev)` and nothing else, so that
dependencies point down: the handler belongs to the layer above. An Event is in at most one
queue (bit `posted`). Code that posts an event with a Python object as data documents which side
owns the reference. Model: ngx_event_t and ngx_connection_t (nginx src/event/ngx_event.h,
src/core/ngx_connection.h).
"""

from libc.stdint cimport uint32_t

cdef struct Event

# Returns 0; -1 with a Python exception set stops the loop: only SystemExit, KeyboardInterrupt and a
# defect of the loop itself go that way, everything else is reported by the handler.
ctypedef int (*EventHandler)(Event* ev) except -1

cdef struct Event:
    EventHandler handler
    void* data               # the Handle (OWNS while posted) or the slot's owner (BORROWED)
    Event* previous          # neighbours in the queue; meaningless while posted is 0
    Event* next
    unsigned char posted     # is in a queue
    unsigned char ready      # reported by the kernel and not used up yet: I/O may be tried
    unsigned char active     # something waits for this; if not, a kernel event only sets ready
    unsigned char accept     # a listener's: posted to the accept queue; a handle's: see handle_take
    unsigned char cancelled  # a handle's: its callback must not run
    unsigned char drain      # DRAIN_*: a short receive proves nothing
    unsigned char copied     # a handle's: its context is a copy that nothing else refers to
    unsigned char hidden     # a handle's: the collector does not track that copy, see handle_hide

# Why one more receive has to follow a short one.
cdef enum DrainReason:
    DRAIN_MORE = 1           # urgent data, or passed fds: a receive stops there
    DRAIN_END = 2            # the peer has ended or reset the connection: FIN, error

# A ring with a head of its own, so that nothing is a special case. Model: ngx_queue_t.
cdef struct EventQueue:
    Event head
    size_t count             # at least the number of its events, see queue_settle

cdef struct Connection:
    Event read
    Event write
    int fd                   # -1 while the slot is free
    uint32_t index           # place in the pool, for the lower half of epoll's u64
    uint32_t generation      # counts the files the slot was for: an event of an older one is stale
    uint32_t interest        # the mask that epoll holds for fd, 0 while not registered
    uint32_t wanted          # the mask a watcher wants it to hold before the next wait
    unsigned char kind       # KIND_*: what owner is
    unsigned char changed    # in the pool's list of slots with an interest that may have changed
    unsigned char idle       # a watcher's: nothing waits, epoll may still hold an interest
    unsigned char reusable   # in the list of idle connections that may be closed for room
    void* owner              # OWNS: the transport, listener or watcher, until connection_free
    Connection* next         # the next free slot; or the next changed connection
    Connection* older        # neighbours among the reusable connections, least recently used last
    Connection* newer

cdef enum ConnectionKind:
    KIND_FREE = 0
    KIND_INTERNAL            # the loop's own wake-up fds
    KIND_TRANSPORT           # owned by a transport: nothing else may watch this fd
    KIND_LISTENER
    KIND_WATCHER             # add_reader, add_writer
