"""Event queues over numbered events."""

from cpython.mem cimport PyMem_Calloc, PyMem_Free

from ngxloop.core.event cimport Event, EventQueue
from ngxloop.core.ready cimport (
    event_post,
    event_unpost,
    queue_init,
    queue_is_empty,
    queue_move,
    queue_take,
)


cdef class Queues:
    """Two queues, 0 and 1, and `capacity` events that stand in one of them or in none."""

    cdef EventQueue queues[2]
    cdef Event* events       # OWNS: capacity of them

    def __cinit__(self, int capacity):
        queue_init(&self.queues[0])
        queue_init(&self.queues[1])
        self.events = <Event*>PyMem_Calloc(capacity, sizeof(Event))
        if self.events == NULL:
            raise MemoryError(f"no memory for {capacity} events")

    def __dealloc__(self):
        PyMem_Free(self.events)

    def post(self, int queue, int number):
        assert not self.events[number].posted
        event_post(&self.queues[queue], &self.events[number])

    def unpost(self, int number):
        assert self.events[number].posted
        event_unpost(&self.events[number])

    def take(self, int queue):
        assert not self.is_empty(queue)
        return queue_take(&self.queues[queue]) - self.events

    def move(self, int source, int target):
        queue_move(&self.queues[source], &self.queues[target])

    def is_posted(self, int number):
        return bool(self.events[number].posted)

    def is_empty(self, int queue):
        return bool(queue_is_empty(&self.queues[queue]))

    def numbers(self, int queue):
        """Return the events of a queue, first to last; the way back must show the same."""
        cdef Event* head = &self.queues[queue].head
        cdef Event* ev = head.next
        found = []
        while ev != head:
            assert ev.next.previous == ev and ev.previous.next == ev, "the ring is broken"
            found.append(ev - self.events)
            ev = ev.next
        return found
