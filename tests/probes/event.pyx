"""An event that runs a Python callable, for queues that Python has no way into."""

from ngxloop.core.event cimport Event
from ngxloop.core.ready cimport event_post, event_unpost
from ngxloop.core.reactor cimport Reactor


cdef class PythonEvent:
    """The event; it must outlive the loop's turn."""

    cdef Event event
    cdef object callback

    def __init__(self, callback):
        self.callback = callback
        self.event.handler = run
        self.event.data = <void*>self  # BORROWED: until the event has run

    @property
    def posted(self):
        return bool(self.event.posted)

    def post(self, Reactor loop not None):
        loop.post(&self.event)

    def post_accept(self, Reactor loop not None):
        event_post(&loop.accepts, &self.event)

    def post_flush(self, Reactor loop not None):
        event_post(&loop.flushes, &self.event)

    def unpost(self):
        event_unpost(&self.event)


cdef int run(Event* ev) except -1:
    (<PythonEvent>ev.data).callback()
    return 0
