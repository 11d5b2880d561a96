"""TimerHandle: a callback that waits for its time in the loop's queue of timers.

Rules. While a timer is armed, its queue OWNS one reference to it; when its time has come, the
reference moves to the ready queue with it. Cancelling unlinks at once and frees the callback: a
server that arms and cancels a time-out per request keeps no dead timers. Equal deadlines run in the
order they were asked for; never early: the deadline is rounded up to whole nanoseconds.

While a timer is armed its event is not posted, and the event's handler, data and links are the node
of the timer queue: a timer has 112 bytes instead of 176, so that more of them stay in the cache.
The node's colour lies over `posted`, `linked` over `ready`, which nothing reads of an armed timer.

The journey of one timer:

    call_later(60, f) -> schedule()   timer_new(): callback, arguments, context
                                      timer_arm(): key = deadline in ns; the queue owns a reference
      timerqueue_insert()             60 s away: a link in a bucket, O(1)
         |                            timer_cancel() unlinks it and frees f: the usual end
      in every turn: timers_expire() -> timerqueue_take()
         |                            the clock reaches the bucket: its timers move to lower levels,
         |                            at most once for each level
         |                            less than 4 us away: into the red-black tree, in exact order
         |                            due: an Event again, posted to `ready`, with the reference
      run_ready() -> handle_run()     the next batch: f() in its context; the reference is dropped,
                                      and the memory goes to the free list
"""

cimport cython
from cpython.object cimport PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport INT64_MAX, int64_t
from operator import attrgetter

from ngxloop.core.clock cimport ns_from_seconds
from ngxloop.core.event cimport Event, EventQueue
from ngxloop.core.freelist cimport memory_keep
from ngxloop.core.handle cimport (
    Handle,
    handle_end,
    handle_fill,
    handle_forget,
    handle_hide,
    handle_run,
    handle_show,
)
from ngxloop.core.limits cimport KEPT_TIMER_COUNT_MAX
from ngxloop.core.rbtree cimport RbNode
from ngxloop.core.ready cimport event_post
from ngxloop.core.timerqueue cimport (
    TimerQueue,
    timerqueue_after,
    timerqueue_first,
    timerqueue_insert,
    timerqueue_remove,
    timerqueue_take,
)

cdef object PUBLIC_CLASS = object
cdef object DEADLINE = attrgetter("_when")


def bind_timer_class(public_class: type) -> None:
    """Set the Python class that timers appear to be: asyncio.TimerHandle."""
    global PUBLIC_CLASS
    PUBLIC_CLASS = public_class


@cython.no_gc
cdef class TimerHandle(Handle):
    """A callback scheduled for a time; call_later and call_at return it."""

    @property
    def __class__(self):
        return PUBLIC_CLASS

    @property
    def _scheduled(self):
        return bool(timer_node(self).linked)

    @_scheduled.setter
    def _scheduled(self, value):
        """Take the timer out of its queue if value is false, as asyncio's own turn notes it."""
        if not value and timer_is_armed(self):
            timer_disarm(self)

    def _repr_info(self):
        return PUBLIC_CLASS._repr_info(self)

    def __repr__(self):
        return PUBLIC_CLASS.__repr__(self)

    def when(self):
        """Return the time it was scheduled for, in seconds on the clock of loop.time()."""
        return self._when

    def cancel(self):
        """Prevent the callback from running; harmless when it has run or is cancelled already."""
        timer_cancel(self, None)

    def __hash__(self):
        return hash(self._when)

    def __lt__(self, other):
        return self._when < other._when if isinstance(other, PUBLIC_CLASS) else NotImplemented

    def __gt__(self, other):
        return self._when > other._when if isinstance(other, PUBLIC_CLASS) else NotImplemented

    def __le__(self, other):
        return self < other or self == other if isinstance(other, PUBLIC_CLASS) else NotImplemented

    def __ge__(self, other):
        return self > other or self == other if isinstance(other, PUBLIC_CLASS) else NotImplemented

    def __eq__(self, other):
        if not isinstance(other, PUBLIC_CLASS):
            return NotImplemented
        return (
            self._when == other._when
            and self._callback == other._callback
            and self._args == other._args
            and self.cancelled() == other.cancelled()
        )


@cython.no_gc
@cython.final
cdef class TracedTimerHandle(TimerHandle):
    """A timer made in debug mode, which records where."""

    @property
    def _source_traceback(self):
        return self.origin[0]

    @property
    def _repr(self):
        return self.origin[1]

    def cancel(self):
        """Prevent the callback from running; harmless when it has run or is cancelled already."""
        timer_cancel(self, self.origin)


memory_keep(<PyTypeObject*>TimerHandle, KEPT_TIMER_COUNT_MAX)

assert sizeof(RbNode) <= sizeof(Event)


cdef Py_ssize_t place_of_node():
    """Return how far behind a timer's beginning its node lies."""
    cdef TimerHandle timer = TimerHandle.__new__(TimerHandle)
    return <char*>&timer.event - <char*><void*>timer


cdef Py_ssize_t NODE_PLACE = place_of_node()


cdef inline RbNode* timer_node(TimerHandle timer) noexcept:
    """Return a timer's node; nothing but `linked` is the node's while the timer is not armed."""
    return <RbNode*>&timer.event


cdef inline TimerHandle timer_of(RbNode* node):
    return <TimerHandle><void*>(<char*>node - NODE_PLACE)


cdef TimerHandle timer_new(loop, callback, args, context, list origin):
    """Return a timer that is not armed yet; see handle_new."""
    cdef TimerHandle timer
    if origin is None:
        timer = TimerHandle.__new__(TimerHandle)
    else:
        timer = TracedTimerHandle.__new__(TracedTimerHandle)
        (<TracedTimerHandle>timer).origin = origin
    handle_fill(timer, loop, callback, args, context)
    return timer


cdef int timer_arm(TimerHandle timer, TimerQueue* queue, double when) except -1:
    """Put a timer into the queue, which takes a reference of its own."""
    timer._when = when
    timer.queue = queue
    timer_node(timer).key = ns_from_seconds(when)
    Py_INCREF(timer)
    handle_hide(timer)
    timerqueue_insert(queue, timer_node(timer))
    return 0


cdef int timer_cancel(TimerHandle timer, list origin) except -1:
    """Cancel a timer that is armed, posted, or neither."""
    if not timer_node(timer).linked:
        return handle_end(timer, origin)
    timerqueue_remove(timer.queue, timer_node(timer))
    timer.event.posted = False
    handle_end(timer, origin)
    timer._loop = None
    Py_DECREF(timer)  # the queue's reference; the caller has its own
    return 0


cdef bint timer_is_armed(TimerHandle timer) noexcept:
    """Return whether a timer waits in a queue of timers."""
    return timer_node(timer).linked


cdef int timer_disarm(TimerHandle timer) except -1:
    """Take an armed timer out of its queue; it can be posted from then on."""
    timerqueue_remove(timer.queue, timer_node(timer))
    timer.event.posted = False
    timer.event.handler = handle_run
    timer.event.data = <void*>timer
    handle_show(timer)
    Py_DECREF(timer)  # the queue's reference; the caller has its own
    return 0


cdef TimerHandle timers_first(TimerQueue* queue):
    """Return the first timer of a queue that is not empty."""
    return timer_of(timerqueue_first(queue))


cdef list timers_all(TimerQueue* queue):
    """Return all timers, earliest first. O(n log n)."""
    cdef list timers = []  # first: the collector may run, but not for what follows
    cdef RbNode* node = timerqueue_after(queue, NULL)
    while node != NULL:
        timers.append(timer_of(node))
        node = timerqueue_after(queue, node)
    timers.sort(key=DEADLINE)
    return timers


cdef int timers_expire(TimerQueue* queue, EventQueue* ready, int64_t now_ns) except -1:
    """Post every timer whose deadline is not after now_ns, earliest first."""
    cdef RbNode* node = timerqueue_take(queue, now_ns)
    cdef Event* ev
    while node != NULL:
        ev = <Event*>node
        ev.handler = handle_run
        ev.data = <char*>node - NODE_PLACE
        event_post(ready, ev)
        node = timerqueue_take(queue, now_ns)
    return 0


cdef int timers_drop(TimerQueue* queue) except -1:
    """Forget all timers without running them."""
    cdef RbNode* node = timerqueue_take(queue, INT64_MAX)
    cdef TimerHandle timer
    while node != NULL:
        timer = timer_of(node)
        timer.event.posted = False
        Py_DECREF(timer)
        handle_forget(timer)
        node = timerqueue_take(queue, INT64_MAX)
    return 0
