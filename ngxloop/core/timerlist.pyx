# cython: nonecheck=True
"""TimerList: the timers that wait, as the heap that other packages know from asyncio's loop.

How it works. heapq.heappop() takes nothing but a list, and does not call the methods of a subclass.
So this is a list, and has one item: the timer that is due first, which is a heap. All methods that
read it answer for the whole queue of timers. What heappop() takes out is found out with the next
call, and leaves the queue then, unless it has been put into _ready meanwhile.

Rules. The list is brought up to date whenever it is asked for or asked something, not before: two
heappop() in a row must ask in between. Nothing can be put in: that is the work of call_at().
"""

cimport cython

from ngxloop.core.reactor cimport Reactor
from ngxloop.core.readyqueue import run_foreign
from ngxloop.core.timers cimport (
    TimerHandle,
    timer_arm,
    timer_disarm,
    timer_is_armed,
    timers_all,
    timers_drop,
    timers_first,
)


@cython.final
cdef class TimerList(list):
    """What _scheduled of a loop is; see the file header."""

    def __init__(self, Reactor loop not None):
        self.loop = loop

    def __len__(self):
        self.settle()
        return self.loop.timers.count

    def __bool__(self):
        self.settle()
        return self.loop.timers.count > 0

    def __iter__(self):
        """Iterate over all timers, earliest first. O(n log n)."""
        return iter(self.timers())

    def __getitem__(self, index):
        self.settle()
        return self.shown if index == 0 and self.shown is not None else self.timers()[index]

    def __contains__(self, timer):
        return timer in self.timers()

    def __repr__(self):
        return repr(self.timers())

    def copy(self):
        """Return a list of all timers, earliest first."""
        return self.timers()

    def remove(self, timer):
        """Let a timer not fire.

        Raises:
            ValueError: it does not wait.
        """
        if not (isinstance(timer, TimerHandle) and timer_is_armed(<TimerHandle>timer)):
            raise ValueError("this timer does not wait")
        timer_disarm(<TimerHandle>timer)
        self.settle()

    def clear(self):
        """Forget all timers."""
        timers_drop(&self.loop.timers)
        self.settle()

    def _replace(self, timers):
        """Let these timers wait instead of others; foreign ones are run in their time."""
        waiting = set(map(id, timers))
        for timer in self.timers():
            if id(timer) not in waiting:
                timer_disarm(<TimerHandle>timer)
        for timer in timers:
            if not isinstance(timer, TimerHandle):
                self.loop.call_at(timer.when(), run_foreign, timer)
            elif timer._callback is None or timer_is_armed(<TimerHandle>timer):
                continue
            elif not (<TimerHandle>timer).event.posted:  # else it is due, and in the ready queue
                timer_arm(<TimerHandle>timer, &self.loop.timers, timer._when)
        self.settle()

    def _settle(self):
        """Bring the underlying list up to date."""
        self.settle()

    cdef int settle(self) except -1:
        """Take out what was popped; show the timer that is first now."""
        cdef TimerHandle popped = self.shown
        cdef bint gone = popped is not None and not list.__len__(self)
        self.shown = None
        list.clear(self)
        if gone and timer_is_armed(popped):
            timer_disarm(popped)
        if self.loop.timers.count:
            self.shown = timers_first(&self.loop.timers)
            list.append(self, self.shown)
        return 0

    cdef list timers(self):
        self.settle()
        return timers_all(&self.loop.timers)
