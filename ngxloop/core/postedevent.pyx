"""PostedEvent: a connection's event that a program has taken out of the loop's queue.

To the program it looks like a handle: it has _run(), and never is cancelled. The event stays
posted, in a queue that has no other: so it is not posted a second time, and it leaves that queue if
the connection is closed meanwhile. An edge-triggered event comes once; what the program does not
run goes back to the loop.
"""

cimport cython

from ngxloop.core.event cimport Event
from ngxloop.core.ready cimport (
    event_post,
    event_post_first,
    queue_init,
    queue_is_empty,
    queue_take,
)
from ngxloop.core.reactor cimport Reactor


@cython.final
cdef class PostedEvent:
    """What popleft() of _ready returns for the event of a connection; see the file header."""

    # What a program asks a handle for before it runs it.
    _cancelled = False
    _context = None

    def __cinit__(self):
        queue_init(&self.place)

    def __init__(self):
        raise TypeError("events are posted by the loop")

    def __dealloc__(self):
        if self.loop is not None:
            self.give_back(True)

    def __repr__(self):
        return f"<ngxloop.PostedEvent of {self.owner!r}>"

    def cancel(self):
        """Do nothing: what the kernel reports cannot be cancelled, only its reader removed."""

    def cancelled(self):
        """Return False."""
        return False

    def _run(self):
        """Do what the loop would have done; nothing if the connection is gone, or a second time."""
        cdef Event* ev
        if not queue_is_empty(&self.place):
            ev = queue_take(&self.place)
            ev.handler(ev)

    cdef int hold(self, Reactor loop, Event* ev) except -1:
        """Take an event that stands in no queue."""
        self.loop = loop
        self.owner = <object>ev.data
        event_post(&self.place, ev)
        return 0

    cdef int give_back(self, bint first) except -1:
        """Put the event into the loop's queue again, if it is still here."""
        cdef Event* ev
        if queue_is_empty(&self.place):
            return 0
        ev = queue_take(&self.place)
        if first:
            event_post_first(&self.loop.ready, ev)
        else:
            event_post(&self.loop.ready, ev)
        return 0
