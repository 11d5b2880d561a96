# cython: nonecheck=True
"""TimerList: the timers that wait, as the heap that other packages know from asyncio's loop.

How it works. heapq takes nothing but a list, and does not call the methods of a subclass. So this
is a list, and has one item: the timer that is due first, which is a heap. All methods answer for
the whole queue of timers. What heapq has taken out or put in is found out later: with the next call
of a method, at the latest in the next turn of the loop. A timer that is missing then leaves the
queue, unless it has been put into _ready meanwhile; one that is new is armed.

Rules. The list is brought up to date whenever it is asked for or asked something, and in each turn,
not in between: so two heappop() in a row must ask in between. A timer that the program has made
itself waits inside one of the loop's, and is what the list shows. The order is that of the
deadlines: methods that would set another one raise TypeError.
"""

cimport cython
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.object cimport PyObject, PyObject_RichCompare

from ngxloop.core.reactor cimport Reactor
from ngxloop.core.readyqueue import run_foreign
from ngxloop.core.timers cimport (
    TimerHandle,
    timer_arm,
    timer_disarm,
    timer_is_armed,
    timer_new,
    timers_all,
    timers_drop,
    timers_first,
)

cdef object RUN_FOREIGN = run_foreign
cdef str OWN_ORDER = "timers are in the order of their deadlines"


@cython.final
cdef class TimerList(list):
    """What _scheduled of a loop is; see the file header."""

    def __init__(self, Reactor loop not None):
        self.loop = loop

    # ---- what reads

    def __len__(self):
        self.settle()
        return self.loop.timers.count

    def __bool__(self):
        self.settle()
        return self.loop.timers.count > 0

    def __iter__(self):
        """Iterate over all timers, earliest first. O(n log n)."""
        return iter(self.timers())

    def __reversed__(self):
        return reversed(self.timers())

    def __getitem__(self, index):
        self.settle()
        return self.shown if index == 0 and self.shown is not None else self.timers()[index]

    def __contains__(self, timer):
        return timer in self.timers()

    def __repr__(self):
        return repr(self.timers())

    def __richcmp__(self, other, int operation):
        return PyObject_RichCompare(self.timers(), other, operation)

    def __add__(self, other):
        return self.timers() + other

    def __radd__(self, other):
        return other + self.timers()

    def __mul__(self, count):
        return self.timers() * count

    def __rmul__(self, count):
        return self.timers() * count

    def copy(self):
        """Return a list of all timers, earliest first."""
        return self.timers()

    def __copy__(self):
        return self.timers()

    def count(self, timer):
        """Return how many timers are equal to this one."""
        return self.timers().count(timer)

    def index(self, timer, *bounds):
        """Return the place of a timer; see list.index()."""
        return self.timers().index(timer, *bounds)

    # ---- what changes

    def append(self, timer):
        """Arm a timer; one that waits or is due already stays where it is.

        Args:
            timer: of this loop, cancelled or not; or any object with when(), _cancelled and _run(),
                which fires as often as it is put in.

        Raises:
            RuntimeError: the loop is closed, or the timer has run.
            TypeError: the object is not a timer.
            ValueError: the timer is another loop's.
        """
        self.extend((timer,))

    def extend(self, timers):
        """Arm several timers; see append."""
        cdef list added = list(timers)
        self.loop.check_open()
        self.settle()
        try:
            for timer in added:
                self.arm(timer)
        finally:
            self.settle()

    def __iadd__(self, timers):
        self.extend(timers)
        return self

    def insert(self, index, timer):
        """Arm a timer, wherever it is to stand; see append."""
        self.extend((timer,))

    def pop(self, index=-1):
        """Take out a timer and return it; it will not fire."""
        timer = self.timers()[index]
        self.remove(timer)
        return timer

    def remove(self, timer):
        """Let a timer not fire.

        Raises:
            ValueError: it does not wait.
        """
        cdef TimerHandle waiting = self.waiting(timer)
        if waiting is None:
            raise ValueError("this timer does not wait")
        timer_disarm(waiting)
        self.settle()

    def clear(self):
        """Forget all timers."""
        self.settle()
        timers_drop(&self.loop.timers)
        self.settle()

    def __setitem__(self, index, timers):
        if not isinstance(index, slice):
            raise TypeError(f"{OWN_ORDER}: no single place can be assigned")
        cdef list changed = self.timers()
        changed[index] = timers
        self._replace(changed)

    def __delitem__(self, index):
        cdef list left = self.timers()
        del left[index]
        self._replace(left)

    def sort(self, *, key=None, reverse=False):
        """Do nothing: the earliest timer is always the first.

        Raises:
            TypeError: another order is wanted.
        """
        if key is not None or reverse:
            raise TypeError(OWN_ORDER)

    def reverse(self):
        """Raise TypeError."""
        raise TypeError(OWN_ORDER)

    def __imul__(self, count):
        raise TypeError("a timer waits once")

    def _replace(self, timers):
        """Let these timers wait instead of others; foreign ones are run in their time."""
        cdef list wanted = list(timers)
        cdef set wanted_ids = set(map(id, wanted))
        cdef set waiting_ids = set()
        self.settle()
        for timer in timers_all(&self.loop.timers):
            if id(item_of(timer)) in wanted_ids:
                waiting_ids.add(id(item_of(timer)))
            else:
                timer_disarm(timer)
        self.extend([timer for timer in wanted if id(timer) not in waiting_ids])

    def _settle(self):
        """Bring the list and the queue of timers up to date."""
        self.settle()

    cdef int settle(self) except -1:
        """Do to the queue what heapq has done to the list; show the timer that is first now."""
        cdef list found
        cdef object shown = self.shown
        cdef TimerHandle first = self.first
        cdef bint stays = False
        if self.is_settled():
            return 0
        found = list.copy(self)
        self.show(None)
        try:
            for item in found:
                if not stays and first is not None and item is shown:
                    stays = True
                else:
                    self.arm(item)
        finally:
            if not stays and first is not None and timer_is_armed(first):
                timer_disarm(first)
            self.show(timers_first(&self.loop.timers) if self.loop.timers.count else None)
        return 0

    cdef bint is_settled(self) except -1:
        """Return whether heapq has changed nothing and the timer that is shown is still the first.
        """
        if self.loop.timers.count == 0:
            return self.first is None and PyList_GET_SIZE(self) == 0
        return (
            PyList_GET_SIZE(self) == 1
            and PyList_GET_ITEM(self, 0) == <PyObject*>self.shown
            and self.first is timers_first(&self.loop.timers)
        )

    cdef int show(self, TimerHandle first) except -1:
        """Let the list have this timer alone, or none."""
        self.first = first
        self.shown = None if first is None else item_of(first)
        list.clear(self)
        if first is not None:
            list.append(self, self.shown)
        return 0

    cdef int arm(self, timer) except -1:
        """Let a timer wait, if it does not wait and is not due."""
        cdef TimerHandle waiting
        if not isinstance(timer, TimerHandle):
            return self.arm_foreign(timer)
        waiting = <TimerHandle>timer
        if waiting.event.cancelled:
            return 0
        if waiting._callback is None:
            raise RuntimeError("the timer has run; call_at() makes another")
        if waiting._loop is not self.loop:
            raise ValueError("the timer is another loop's")
        if timer_is_armed(waiting) or waiting.event.posted:
            return 0
        timer_arm(waiting, &self.loop.timers, waiting._when)
        return 0

    cdef int arm_foreign(self, timer) except -1:
        """Let a timer of the program's own wait, in one of ours."""
        cdef TimerHandle waiting
        cdef double when
        try:
            when = timer.when()
        except AttributeError:
            raise TypeError(f"a timer was expected, got {timer!r}") from None
        waiting = timer_new(self.loop, RUN_FOREIGN, (timer,), None, None)
        timer_arm(waiting, &self.loop.timers, when)
        return 0

    cdef TimerHandle waiting(self, timer):
        """Return the timer of the queue that stands for this one; None if it does not wait."""
        cdef TimerHandle waiting
        if isinstance(timer, TimerHandle):
            waiting = <TimerHandle>timer
            if timer_is_armed(waiting) and waiting.queue == &self.loop.timers:
                return waiting
            return None
        for waiting in timers_all(&self.loop.timers):
            if item_of(waiting) is timer:
                return waiting
        return None

    cdef list timers(self):
        self.settle()
        return [item_of(timer) for timer in timers_all(&self.loop.timers)]


cdef object item_of(TimerHandle timer):
    """Return what the list shows for a timer: itself, or the program's own that waits in it."""
    return timer._args[0] if timer._callback is RUN_FOREIGN else timer
