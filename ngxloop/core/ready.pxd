"""Posted event queues: first in, first out, nothing allocated, removal from the middle in O(1).

Model: ngx_post_event, ngx_delete_posted_event and ngx_queue.h of nginx. All functions are
one-liners but for their lists of pointers; a turn calls each of them for every event, so they are
inline.

Rules. `count` is for statistics. An event that is taken out of the middle has no link to its queue,
so the queue still counts it until queue_settle() is called, when it is empty: once a turn.
"""

from ngxloop.core.event cimport Event, EventQueue


cdef inline void queue_init(EventQueue* queue) noexcept nogil:
    queue.head.previous = queue.head.next = &queue.head
    queue.count = 0


cdef inline bint queue_is_empty(EventQueue* queue) noexcept nogil:
    return queue.head.next == &queue.head


cdef inline void event_post(EventQueue* queue, Event* ev) noexcept nogil:
    """Append an event that is in no queue."""
    ev.posted = 1
    ev.next = &queue.head
    ev.previous = queue.head.previous
    ev.previous.next = ev
    queue.head.previous = ev
    queue.count += 1


cdef inline void event_post_first(EventQueue* queue, Event* ev) noexcept nogil:
    """Put an event that stands in no queue in front of all others."""
    ev.posted = 1
    ev.previous = &queue.head
    ev.next = queue.head.next
    ev.next.previous = ev
    queue.head.next = ev
    queue.count += 1


cdef inline void event_unpost(Event* ev) noexcept nogil:
    """Take an event out of the queue it is in."""
    ev.posted = 0
    ev.previous.next = ev.next
    ev.next.previous = ev.previous


cdef inline Event* queue_take(EventQueue* queue) noexcept nogil:
    """Take the first event out of a queue that is not empty."""
    cdef Event* ev = queue.head.next
    event_unpost(ev)
    queue.count -= 1
    return ev


cdef inline void queue_settle(EventQueue* queue) noexcept nogil:
    """Forget the events that were taken out of the middle; the queue is empty."""
    queue.count = 0


cdef inline void queue_move(EventQueue* source, EventQueue* target) noexcept nogil:
    """Move all events of source in front of those of target, in O(1)."""
    target.count += source.count
    source.count = 0
    if queue_is_empty(source):
        return
    source.head.previous.next = target.head.next
    target.head.next.previous = source.head.previous
    target.head.next = source.head.next
    source.head.next.previous = &target.head
    queue_init(source)
