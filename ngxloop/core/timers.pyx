"""TimerHandle: a callback that waits for its time in the loop's tree of timers.

Rules. While a timer is armed, the tree OWNS one reference to it; when its time has come, the
reference moves to the ready queue with it. Cancelling unlinks at once, in O(log n), and frees the
callback: a server that arms and cancels a time-out per request keeps no dead timers. Equal
deadlines run in the order they were asked for; never early: the deadline is rounded up to whole
nanoseconds.
"""

cimport cython
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int64_t

from ngxloop.core.clock cimport ns_from_seconds
from ngxloop.core.event cimport EventQueue
from ngxloop.core.handle cimport Handle, handle_cancel, handle_forget
from ngxloop.core.rbtree cimport RbNode, RbTree, tree_insert, tree_remove
from ngxloop.core.ready cimport event_post

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
        return self.node.linked

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
            tree_remove(self.tree, &self.node)
            handle_cancel(self)
            self._loop = None
            Py_DECREF(self)  # the tree's reference; the caller has its own
        else:
            handle_cancel(self)

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


cdef int timer_arm(TimerHandle timer, RbTree* tree, double when) except -1:
    """Put a filled timer into the tree, which takes a reference of its own."""
    timer._when = when
    timer.tree = tree
    timer.node.key = ns_from_seconds(when)
    timer.node.data = <void*>timer
    Py_INCREF(timer)
    tree_insert(tree, &timer.node)
    return 0


cdef int timers_expire(RbTree* tree, EventQueue* queue, int64_t now_ns) except -1:
    """Post every timer whose deadline is not after now_ns, earliest first."""
    cdef RbNode* node = tree.first
    while node != NULL and node.key <= now_ns:
        tree_remove(tree, node)
        event_post(queue, &(<TimerHandle>node.data).event)
        node = tree.first
    return 0


cdef int timers_drop(RbTree* tree) except -1:
    """Forget all timers without running them."""
    cdef TimerHandle timer
    while tree.first != NULL:
        timer = <TimerHandle>tree.first.data
        tree_remove(tree, &timer.node)
        Py_DECREF(timer)
        handle_forget(timer)
    return 0
