# cython: nonecheck=True
"""ReadyQueue: what is ready, as the deque that other packages know from asyncio's loop.

The view of two queues: what is left of the batch that runs, then what is ready for the next turn.
Packages that turn the loop by themselves take one thing after the other with popleft() and call its
_run(). Handles are their own, also those that the program has made itself and put in, which wait
inside one of the loop's; a connection's event is handed out as a PostedEvent.

What changes another end or the order takes everything out, changes that, and puts it back: O(n). No
single place can be assigned: two that are exchanged one by one would stand there twice in between,
and a handle is in the queue once.

Rules. Making an object may start the collector, which may run Python code, which may turn the loop.
So no pointer into a queue is kept while an object is made.
"""

cimport cython
from cpython.ref cimport Py_INCREF

from collections import deque

from ngxloop.core.event cimport Event, EventQueue
from ngxloop.core.handle cimport Handle, handle_drop, handle_new, handle_run, handle_take
from ngxloop.core.postedevent cimport PostedEvent
from ngxloop.core.ready cimport (
    event_post,
    event_post_first,
    queue_init,
    queue_is_empty,
    queue_move,
    queue_take,
)
from ngxloop.core.reactor cimport Reactor
from ngxloop.core.threadsafe_handle cimport threadsafe_run
from ngxloop.core.timers cimport TimerHandle, timer_disarm, timer_is_armed


@cython.final
cdef class ReadyQueue:
    """What _ready of a loop is; see the file header."""

    def __init__(self, Reactor loop not None):
        self.loop = loop

    def __len__(self):
        """Count what is ready. O(n): the queue does not know of what was cancelled."""
        return events_of(&self.loop.batch) + events_of(&self.loop.ready)

    def __bool__(self):
        return not queue_is_empty(self.first_queue())

    def __iter__(self):
        """Iterate over what is ready now, in its order; nothing leaves the queue."""
        return iter(self.shown())

    def __reversed__(self):
        return reversed(self.shown())

    def __getitem__(self, index):
        return self.shown()[index]

    def __eq__(self, other):
        if isinstance(other, ReadyQueue):
            return self is other
        return deque(self.shown()) == other

    def __repr__(self):
        return f"<ngxloop.ReadyQueue {self.shown()!r}>"

    def copy(self):
        """Return a deque of what is ready; nothing leaves the queue."""
        return deque(self.shown())

    def count(self, handle):
        """Return how many handles are equal to this one."""
        return self.shown().count(handle)

    def index(self, handle, *bounds):
        """Return the place of a handle; see list.index()."""
        return self.shown().index(handle, *bounds)

    def append(self, handle):
        """Let a handle run after all others; one that is ready already stays where it is.

        Args:
            handle: of this loop, cancelled or not, or a timer that waits; or any object with
                _cancelled and _run().

        Raises:
            RuntimeError: the loop is closed, or the handle has run.
        """
        self.put(handle, False)

    def appendleft(self, handle):
        """Let a handle run before all others; see append."""
        self.put(handle, True)

    def extend(self, handles):
        """Append several handles."""
        for handle in handles:
            self.put(handle, False)

    def extendleft(self, handles):
        """Put several handles in front of all others, one after the other."""
        for handle in handles:
            self.put(handle, True)

    def popleft(self):
        """Take out what is to run first; the caller is to call its _run().

        Raises:
            IndexError: nothing is ready.
        """
        cdef PostedEvent posted = None
        cdef EventQueue* queue = self.first_queue()
        if not queue_is_empty(queue) and not is_handle(queue.head.next):
            posted = PostedEvent.__new__(PostedEvent)
            queue = self.first_queue()
        if queue_is_empty(queue):
            raise IndexError("pop from an empty queue")
        if is_handle(queue.head.next):
            return item_of(handle_take(queue_take(queue)))
        posted.hold(self.loop, queue_take(queue))
        return posted

    def pop(self):
        """Take out what is to run last; see popleft."""
        return self.changed(lambda taken: taken.pop())

    def remove(self, handle):
        """Take out a handle that is ready; ValueError if it is not."""
        self.changed(lambda taken: taken.remove(handle))

    def insert(self, index, handle):
        """Put a handle in front of the one that is at a place; see append."""
        self.changed(lambda taken: taken.insert(index, handle))

    def rotate(self, count=1):
        """Let the last ones run first; see deque.rotate()."""
        self.changed(lambda taken: taken.rotate(count))

    def reverse(self):
        """Turn the order round."""
        self.changed(lambda taken: taken.reverse())

    def __setitem__(self, index, handle):
        raise TypeError("no single place can be assigned: change a copy, and assign it to _ready")

    def __delitem__(self, index):
        self.changed(lambda taken: taken.__delitem__(index))

    def __iadd__(self, handles):
        self.extend(handles)
        return self

    def clear(self):
        """Forget all handles without running them; events of connections stay."""
        cdef Reactor loop = self.loop
        cdef EventQueue kept
        cdef EventQueue dropped
        cdef Event* ev
        queue_init(&kept)
        queue_init(&dropped)
        queue_move(&loop.batch, &loop.ready)
        while not queue_is_empty(&loop.ready):
            ev = queue_take(&loop.ready)
            event_post(&dropped if is_handle(ev) else &kept, ev)
        queue_move(&kept, &loop.ready)
        try:
            while not queue_is_empty(&dropped):  # last: what a handle held may do anything
                handle_drop(queue_take(&dropped))
        finally:
            queue_move(&dropped, &loop.ready)  # empty, but for an exception

    def _replace(self, handles):
        """Let these handles be ready instead of others; events of connections come before them."""
        cdef list taken = []
        while self:
            taken.append(self.popleft())
        for event in taken:
            if isinstance(event, PostedEvent):
                self.put(event, False)
        self.extend(handles)

    cdef object changed(self, change):
        """Return change(a deque of what is ready), which takes the place of the queue."""
        taken = deque()
        while self:
            taken.append(self.popleft())
        try:
            return change(taken)
        finally:
            self.extend(taken)

    cdef EventQueue* first_queue(self) except NULL:
        """Return the queue whose first event is to run first."""
        return &self.loop.ready if queue_is_empty(&self.loop.batch) else &self.loop.batch

    cdef list shown(self):
        """Return what is ready: handles, and a PostedEvent without its event for each other."""
        cdef list owners = []
        add_owners(owners, &self.loop.batch)
        add_owners(owners, &self.loop.ready)
        return [
            item_of(<Handle>owner) if isinstance(owner, Handle) else image_of(owner)
            for owner in owners
        ]

    cdef int put(self, item, bint first) except -1:
        cdef Handle handle
        if isinstance(item, PostedEvent):
            (<PostedEvent>item).give_back(first)
            return 0
        self.loop.check_open()  # what is posted afterwards would keep the loop for ever
        if not isinstance(item, Handle):
            item = handle_new(self.loop, run_foreign, (item,), None, None)
        handle = <Handle>item
        if isinstance(item, TimerHandle) and timer_is_armed(<TimerHandle>item):
            timer_disarm(<TimerHandle>item)
        if handle.event.posted or handle.event.cancelled:
            return 0
        if handle._callback is None:
            raise RuntimeError("the handle has run; call_soon() makes another")
        Py_INCREF(handle)  # the queue's reference
        handle.event.accept = False
        if first:
            event_post_first(&self.loop.ready, &handle.event)
        else:
            event_post(&self.loop.ready, &handle.event)
        return 0


def run_foreign(handle):
    """Run a handle that is none of the loop's, as the loop would."""
    if not handle._cancelled:
        handle._run()


cdef object item_of(Handle handle):
    """Return what the program put into the queue: the handle, or its own that waits in it."""
    return handle._args[0] if handle._callback is run_foreign else handle


cdef inline bint is_handle(Event* ev) noexcept:
    return ev.handler == handle_run or ev.handler == threadsafe_run


cdef size_t events_of(EventQueue* queue) noexcept:
    """Count the events of a queue one by one."""
    cdef size_t count = 0
    cdef Event* ev = queue.head.next
    while ev != &queue.head:
        count += 1
        ev = ev.next
    return count


cdef int add_owners(list owners, EventQueue* queue) except -1:
    """Append the owner of each event of a queue: a handle, or what the connection belongs to."""
    cdef Event* ev = queue.head.next
    while ev != &queue.head:
        owners.append(<object>ev.data)
        ev = ev.next
    return 0


cdef PostedEvent image_of(owner):
    """Return a PostedEvent that only shows whose event is ready."""
    cdef PostedEvent image = PostedEvent.__new__(PostedEvent)
    image.owner = owner
    return image
