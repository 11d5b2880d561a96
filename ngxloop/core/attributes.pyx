"""LoopAttributes: the state that BaseEventLoop keeps in attributes.

Its code, that of test suites and of other packages reads and sets `_debug`, `_closed`, `_stopping`
and others; here they are views of the reactor's state, as is what stats() shows.

A loop has slots for what it keeps, and no dictionary as long as the program sets no attribute of
its own. Asking for `__dict__`, as vars() does, makes one, and from then on every call of a method
checks it first, which costs 10 %. So nothing of ours does that before the program has.
"""

from cpython.object cimport PyObject, PyObject_GenericSetAttr, PyTypeObject
from libc.stdint cimport int64_t

from ngxloop.core.ready cimport queue_is_empty
from ngxloop.core.readyqueue cimport ReadyQueue
from ngxloop.core.selector cimport Selector
from ngxloop.core.stepping cimport Stepping
from ngxloop.core.timerlist cimport TimerList

cdef extern from "Python.h":
    PyObject* _PyType_Lookup(PyTypeObject* type, object name)  # BORROWED
    int PyDescr_IsData(PyObject* attribute)
    object PyObject_GenericGetDict(object owner, void* context)
    int PyObject_GenericSetDict(object owner, object value, void* context) except -1


cdef class LoopAttributes(Stepping):
    """The reactor with the attributes of asyncio.BaseEventLoop."""

    def get_debug(self):
        """Return whether debug mode is on."""
        return self.debugging

    def is_closed(self):
        """Return whether close() was called."""
        return self.closed

    def _check_closed(self):
        self.check_open()

    @property
    def _debug(self):
        return self.debugging

    @_debug.setter
    def _debug(self, value):
        self.debugging = bool(value)
        self.stopwatch.set_debugging(self.debugging)

    @property
    def _closed(self):
        return self.closed

    @_closed.setter
    def _closed(self, value):
        self.closed = bool(value)

    @property
    def _stopping(self):
        return self.stopping

    @_stopping.setter
    def _stopping(self, value):
        self.stopping = bool(value)

    @property
    def slow_callback_duration(self):
        """Seconds from which on debug mode reports a callback as slow."""
        return self.stopwatch.slow_seconds

    @slow_callback_duration.setter
    def slow_callback_duration(self, value):
        self.stopwatch.slow_seconds = value

    @property
    def _current_handle(self):
        return self.stopwatch.current_handle

    @_current_handle.setter
    def _current_handle(self, value):
        self.stopwatch.current_handle = value

    # ---- what packages look into that turn the loop by themselves, see stepping.pyx

    @property
    def _ready(self):
        """What is ready, as a deque; what is assigned takes the place of its handles."""
        if self.closed:
            return ReadyQueue(self)  # not kept: it refers to the loop
        if self.ready_view is None:
            self.ready_view = ReadyQueue(self)
        return self.ready_view

    @_ready.setter
    def _ready(self, value):
        if value is self.ready_view and value is not None:  # changed in place, by +=
            return
        handles = list(value)
        if handles or not (queue_is_empty(&self.batch) and queue_is_empty(&self.ready)):
            self._ready._replace(handles)

    @property
    def _scheduled(self):
        """The timers that wait, as a heap; what is assigned is armed in their place."""
        if self.closed:
            return TimerList(self)  # not kept: it refers to the loop
        if self.timer_view is None:
            self.timer_view = TimerList(self)
        self.timer_view._settle()
        return self.timer_view

    @_scheduled.setter
    def _scheduled(self, value):
        if value is self.timer_view and value is not None:  # changed in place, by +=
            return
        waiting = list(value)
        if waiting or self.timers.count:
            self._scheduled._replace(waiting)

    @property
    def _selector(self):
        """The loop's wait; a replaced one is called by each turn."""
        if self.closed:
            return Selector(self)  # not kept: it refers to the loop
        if self.selector is None:
            self.selector = Selector(self)
        return self.selector

    @_selector.setter
    def _selector(self, value):
        self.selector = value
        self.selector_replaced = type(value) is not Selector or "select" in vars(value)

    def __setattr__(self, name, value):
        if is_name(name, "time"):  # a test clock
            self.clock_overridden = True
        elif is_name(name, "call_at"):
            self.call_at_overridden = True
        PyObject_GenericSetAttr(self, name, value)
        if is_name(name, "__class__"):  # test clocks come this way, too
            self.look_for_overrides()
        if not self.dictionary_made and not has_place(self, name):
            self.dictionary_made = True

    @property
    def __dict__(self):
        self.dictionary_made = True
        return PyObject_GenericGetDict(self, NULL)

    @__dict__.setter
    def __dict__(self, value):
        self.dictionary_made = True
        PyObject_GenericSetDict(self, value, NULL)

    @property
    def _own_attributes(self):
        """The attributes that the program has set and that have no slot; do not change it."""
        return PyObject_GenericGetDict(self, NULL) if self.dictionary_made else {}

    # ---- what stats() shows

    def _counters(self):
        """Return the fields of LoopStats that are numbers."""
        return {
            "turn_count": self.turn_count,
            "poll_count": self.poll_count,
            "skipped_poll_count": max(0, <int64_t>(self.turn_count - self.poll_count)),
            "sleep_count": self.sleep_count,
            "ready_count": self.ready.count + self.batch.count,
            "timer_count": self.timers.count,
            "connection_count": 0 if self.closed else (
                self.pool.used_count - self.pool.idle_count - self.internal_count
            ),
            "connection_count_max": self.pool.used_count_max - self.internal_count,
            "free_connection_count": self.pool.free_count,
            "accept_count": self.accept_count,
            "accept_pause_count": self.accept_pause_count,
            "slow_callback_count": self.stopwatch.slow_count,
            "received_bytes": self.received_bytes,
            "sent_bytes": self.sent_bytes,
        }

    def _inner_fast_paths(self):
        """Return the names of those of LoopStats.fast_paths that the compiled loop decides on."""
        active = {
            "attributes": not self.dictionary_made,
            "clock": not self.clock_overridden,
            "epoll_pwait2": self.poller.has_pwait2,
            "handles": not self.stopwatch.running,
        }
        return {name for name, is_active in active.items() if is_active}


cdef inline bint is_name(name, str expected) except -1:
    """Return whether name == expected; every assignment asks, and nearly all lengths differ."""
    if name is expected:
        return True
    if type(name) is str and len(<str>name) != len(expected):
        return False
    return name == expected


cdef bint has_place(loop, name) noexcept:
    """Return whether the class has a slot or a property for an attribute: no dictionary needed."""
    cdef PyObject* attribute = _PyType_Lookup((<PyObject*>loop).ob_type, name)
    return attribute != NULL and PyDescr_IsData(attribute)
