"""What a loop keeps in its slots, queues and timers."""

from types import SimpleNamespace

from ngxloop.core.event cimport (
    KIND_INTERNAL,
    KIND_LISTENER,
    KIND_TRANSPORT,
    KIND_WATCHER,
    Connection,
    Event,
    EventQueue,
)
from ngxloop.core.pool cimport connection_key
from ngxloop.core.reactor cimport Reactor

KIND_NAMES = {
    KIND_INTERNAL: "internal",
    KIND_LISTENER: "listener",
    KIND_TRANSPORT: "transport",
    KIND_WATCHER: "watcher",
}


cdef class ReactorProbe:
    """A look into a loop; kernel events can be made up, too."""

    cdef Reactor loop

    def __init__(self, Reactor loop not None):
        self.loop = loop

    @property
    def timer_count(self):
        return self.loop.timers.count

    @property
    def ready_count(self):
        """Events that run in the next batch."""
        return queue_size(&self.loop.ready)

    def call_with_endless_queue(self, function):
        """Return function(); whoever follows the links of the ready queue meanwhile never returns.

        Two events are ready, at least.
        """
        cdef Event* first = self.loop.ready.head.next
        cdef Event* second = first.next
        assert second != &self.loop.ready.head
        first.next = first
        try:
            return function()
        finally:
            first.next = second

    @property
    def flush_count(self):
        """Connections that will be flushed at the end of the turn."""
        return queue_size(&self.loop.flushes)

    @property
    def used_count(self):
        """Used slots, without the loop's own."""
        return self.loop.pool.used_count - self.loop.internal_count

    @property
    def accepted_count(self):
        """What the gate thinks is open of the accepted connections."""
        return self.loop.gate.active

    @property
    def epoll_fd(self):
        return self.loop.poller.fd

    @property
    def event_capacity(self):
        """Kernel events that one wait takes."""
        return self.loop.poller.capacity

    @property
    def event_fd(self):
        return self.loop.waker.event_fd

    @property
    def sleeping(self):
        """Whether the loop waits for kernel events."""
        return bool(self.loop.waker.sleeping)

    @property
    def has_receive_buffer(self):
        return self.loop.receive_buffer != NULL

    @property
    def has_pwait2(self):
        return bool(self.loop.poller.has_pwait2)

    @has_pwait2.setter
    def has_pwait2(self, bint value):
        self.loop.poller.has_pwait2 = value

    def slots(self):
        """Return what is in every used slot but the loop's own, by fd."""
        cdef Connection* connection
        cdef int fd
        found = {}
        for fd in range(self.loop.pool.by_fd_size):
            connection = self.loop.pool.connection_of_fd(fd)
            if connection != NULL and connection.kind != KIND_INTERNAL:
                found[fd] = described(connection)
        return found

    def slot(self, int fd):
        """Return what is in the slot of an fd, None if it has none."""
        cdef Connection* connection = self.loop.pool.connection_of_fd(fd)
        return None if connection == NULL else described(connection)

    def dispatch(self, list events):
        """Let the loop see kernel events that nothing has caused: a list of (key, mask)."""
        cdef int i
        assert len(events) <= self.loop.poller.capacity
        for i, (key, mask) in enumerate(events):
            self.loop.poller.events[i].data.u64 = key
            self.loop.poller.events[i].events = mask
        self.loop.dispatch(len(events))


cdef object described(Connection* connection):
    return SimpleNamespace(
        key=connection_key(connection),
        index=connection.index,
        generation=connection.generation,
        kind=KIND_NAMES[connection.kind],
        interest=connection.interest,
        changed=bool(connection.changed),
        read=event_state(&connection.read),
        write=event_state(&connection.write),
    )


cdef object event_state(Event* ev):
    return SimpleNamespace(
        posted=bool(ev.posted), ready=bool(ev.ready), active=bool(ev.active), drain=bool(ev.drain)
    )


cdef size_t queue_size(EventQueue* queue):
    """Count the events of a queue one by one."""
    cdef Event* ev = queue.head.next
    cdef size_t size = 0
    while ev != &queue.head:
        size += 1
        ev = ev.next
    return size
