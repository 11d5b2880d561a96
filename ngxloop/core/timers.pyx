"""TimerHandle: a callback that waits for its time in the loop's queue of timers.

Rules. While a timer is armed, its queue OWNS one reference to it; when its time has come, the
reference moves to the ready queue with it. Cancelling unlinks at once and frees the callback: a
server that arms and cancels a time-out per request keeps no dead timers. Equal deadlines run in the
order they were asked for; never early: the deadline is rounded up to whole nanoseconds.
"""

cimport cython
from cpython.object cimport PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport INT64_MAX, int64_t

from ngxloop.core.clock cimport ns_from_seconds
from ngxloop.core.event cimport EventQueue
from ngxloop.core.freelist cimport memory_keep
from ngxloop.core.handle cimport Handle, handle_end, handle_forget, handle_hide
from ngxloop.core.limits cimport KEPT_TIMER_COUNT_MAX
from ngxloop.core.rbtree cimport RbNode
from ngxloop.core.ready cimport event_post
from ngxloop.core.timerqueue cimport (
    TimerQueue,
    timerqueue_insert,
    timerqueue_remove,
    timerqueue_take,
)

cdef object PUBLIC_CLASS = object


def bind_timer_class(public_class: type) -> None:
    """Say which Python class timers appear to be: asyncio.TimerHandle."""
    global PUBLIC_CLASS
    PUBLIC_CLASS = public_class


@cython.no_gc
@cython.final
cdef class TimerHandle(Handle):
    """A callback scheduled for a time; call_later and call_at return it."""

    @property
    def __class__(self):
        return PUBLIC_CLASS

    @property
    def _scheduled(self):
        return bool(self.node.linked)

    @property
    def _source_traceback(self):
        return None if self.origin is None else self.origin[0]

    @property
    def _repr(self):
        return None if self.origin is None else self.origin[1]

    def _repr_info(self):
        return PUBLIC_CLASS._repr_info(self)

    def __repr__(self):
        return PUBLIC_CLASS.__repr__(self)

    def when(self):
        """Return the time it was scheduled for, in seconds on the clock of loop.time()."""
        return self._when

    def cancel(self):
        """Prevent the callback from running; harmless when it has run or is cancelled already."""
        if self.node.linked:
            timerqueue_remove(self.queue, &self.node)
            handle_end(self, self.origin)
            self._loop = None
            Py_DECREF(self)  # the queue's reference; the caller has its own
        else:
            handle_end(self, self.origin)

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


memory_keep(<PyTypeObject*>TimerHandle, KEPT_TIMER_COUNT_MAX)


cdef int timer_arm(TimerHandle timer, TimerQueue* queue, double when) except -1:
    """Put a filled timer into the queue, which takes a reference of its own."""
    timer._when = when
    timer.queue = queue
    timer.node.key = ns_from_seconds(when)
    timer.node.data = <void*>timer
    Py_INCREF(timer)
    handle_hide(timer)
    timerqueue_insert(queue, &timer.node)
    return 0


cdef int timers_expire(TimerQueue* queue, EventQueue* ready, int64_t now_ns) except -1:
    """Post every timer whose deadline is not after now_ns, earliest first."""
    cdef RbNode* node = timerqueue_take(queue, now_ns)
    while node != NULL:
        event_post(ready, &(<TimerHandle>node.data).event)
        node = timerqueue_take(queue, now_ns)
    return 0


cdef int timers_drop(TimerQueue* queue) except -1:
    """Forget all timers without running them."""
    cdef RbNode* node = timerqueue_take(queue, INT64_MAX)
    cdef TimerHandle timer
    while node != NULL:
        timer = <TimerHandle>node.data
        Py_DECREF(timer)
        handle_forget(timer)
        node = timerqueue_take(queue, INT64_MAX)
    return 0
