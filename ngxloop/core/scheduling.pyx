"""Scheduling: call_soon, call_later and the like.

The GIL is the lock: call_soon_threadsafe posts to the same queue as call_soon, so that the order of
the calls is kept, and wakes the loop only if it sleeps.

The busiest methods have fast paths, see core/methods.pyx. With them, and without a dictionary for
each task, a task that is created and awaited went from 15,362 instructions to 13,659 (CPython
3.11), call_later with cancel from 1,546 to 1,465.
"""

from cpython.float cimport PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject, PyObject_Call
from cpython.ref cimport Py_INCREF
from sys import _getframe

from ngxloop.core.clock cimport clock_ns, seconds_from_ns
from ngxloop.core.handle cimport Handle, handle_new, handle_post
from ngxloop.core.methods cimport method_add_fast_path, method_has_fast_path
from ngxloop.core.threadsafe_handle cimport threadsafe_new
from ngxloop.core.timers cimport TimerHandle, timer_arm, timer_new


cdef extern from "Python.h":
    PyObject* PyTuple_GET_ITEM(PyObject* items, Py_ssize_t place)  # BORROWED
    Py_ssize_t PyTuple_GET_SIZE(PyObject* items)

cdef str NAME = "name"
cdef str CONTEXT = "context"
cdef tuple CONTEXT_NAMES = (CONTEXT,)  # the last tuple of names that was found to be this

cdef object extract_stack = None


def bind_extract_stack(function) -> None:
    """Set how debug mode records where a handle was scheduled: function(frame) -> StackSummary."""
    global extract_stack
    extract_stack = function


cdef dict FUTURES = None
cdef object OWN_FUTURE = None


def bind_futures(futures_module) -> None:
    """Set where the class of futures stands: asyncio.futures."""
    global FUTURES, OWN_FUTURE
    FUTURES = vars(futures_module)  # looked up for each future: programs replace the class
    OWN_FUTURE = futures_module.Future


cdef dict TASKS = None
cdef object OWN_TASK = None
cdef object CREATE_TASK = None


def bind_tasks(tasks_module, create_task) -> None:
    """Set where the class of tasks stands, asyncio.tasks, and the method that makes unusual tasks.
    """
    global TASKS, OWN_TASK, CREATE_TASK
    TASKS = vars(tasks_module)  # looked up for each task: programs replace the class
    OWN_TASK = tasks_module.Task
    CREATE_TASK = create_task


cdef class Scheduling(LoopAttributes):
    """The part of the event loop that takes callbacks."""

    def call_soon(self, callback, *args, context=None):
        """Run callback(*args) in the next turn, after what is ready already.

        Args:
            context: the contextvars.Context to run in; a copy of the current one by default.

        Returns:
            A Handle whose cancel() prevents the call.

        Raises:
            RuntimeError: the loop is closed; in debug mode also, if called from another thread.
        """
        cdef Handle handle
        if self.closed:
            self.check_open()
        if self.debugging:
            self.check_call(callback, "call_soon")
        origin = self.origin() if self.debugging else None
        handle = handle_new(self, callback, args, context, origin)
        handle_post(handle, &self.ready)
        return handle

    def call_soon_threadsafe(self, callback, *args, context=None):
        """Like call_soon, from any thread and from signal handlers; wakes the loop if it waits.

        Returns:
            A Handle. In another thread than the loop's its cancel() and cancelled() wait for the
            end of a callback that has begun.
        """
        cdef Handle handle
        if self.closed:
            self.check_open()
        if self.debugging:
            self.check_call(callback, "call_soon_threadsafe")
        origin = self.origin() if self.debugging else None
        handle = threadsafe_new(self, callback, args, context, origin)
        handle_post(handle, &self.ready)
        self.waker.wake()
        return handle

    def call_later(self, delay, callback, *args, context=None):
        """Run callback(*args) after delay seconds, never early; a delay <= 0 means the next turn.

        Returns:
            A TimerHandle; timers with the same deadline run in the order they were made.
        """
        if delay is None:
            raise TypeError("delay must not be None")
        if self.call_at_overridden:
            return self.call_at(self.time() + delay, callback, *args, context=context)
        return schedule(self, self.time_now() + delay, callback, args, context, "call_later")

    def call_at(self, when, callback, *args, context=None):
        """Run callback(*args) when time() has reached when, in seconds; see call_later."""
        if when is None:
            raise TypeError("when cannot be None")
        return schedule(self, when, callback, args, context, "call_at")

    def is_running(self):
        """Return whether run_forever() is under way."""
        return self._thread_id is not None

    def create_future(self):
        """Return a new asyncio.Future of this loop."""
        cdef object future_class = FUTURES["Future"]
        if future_class is OWN_FUTURE:
            return PyObject_Call(future_class, (), self.own_options())
        return future_class(loop=self)

    def create_task(self, coro, **options):
        """Run a coroutine as a task, from the next turn on.

        Args:
            options: name and context, and what else BaseEventLoop.create_task() takes.
        """
        if self.closed or self.debugging or self._task_factory is not None:
            return CREATE_TASK(self, coro, **options)
        if not are_plain(options):
            return CREATE_TASK(self, coro, **options)
        options["loop"] = self
        return PyObject_Call(TASKS["Task"], (coro,), options)

    def _general_methods(self):
        """Return the names of methods whose usual calls do not take their fast path now."""
        cdef type kind = type(self)
        cdef bint plain = not (self.closed or self.debugging)
        cdef bint own_clock = not (self.clock_overridden or self.call_at_overridden)
        cdef bint own_tasks = self._task_factory is None and TASKS["Task"] is OWN_TASK
        ways = {
            "call_soon": plain and method_has_fast_path(kind, "call_soon", call_soon_fast),
            "call_soon_threadsafe": plain
            and method_has_fast_path(kind, "call_soon_threadsafe", call_soon_threadsafe_fast),
            "call_later": plain and own_clock
            and method_has_fast_path(kind, "call_later", call_later_fast),
            "call_at": plain and method_has_fast_path(kind, "call_at", call_at_fast),
            "create_future": FUTURES["Future"] is OWN_FUTURE,
            "create_task": plain and own_tasks
            and method_has_fast_path(kind, "create_task", create_task_fast),
        }
        return {name for name, in_use in ways.items() if not in_use}

    cdef dict own_options(self):
        """Return {"loop": self} for the constructors of asyncio's own classes, which only read it.

        Made once and not for each call. It refers to the loop, so it is kept only while the loop
        runs: a cycle would leave a closed loop to the collector.
        """
        if self.turns_thread == 0:
            return {"loop": self}
        if self.options is None:
            self.options = {"loop": self}
        return self.options

    cdef int turns_ended(self) except -1:
        self.options = None
        return LoopAttributes.turns_ended(self)

    cdef int check_call(self, callback, str method) except -1:
        """Raise what debug mode raises for a wrong thread or a wrong callback."""
        if method != "call_soon_threadsafe":
            self._check_thread()
        self._check_callback(callback, method)
        return 0

    cdef list origin(self):
        """Return the origin of a handle that is made right now; None if not in debug mode."""
        if not self.debugging or extract_stack is None:
            return None
        return [extract_stack(_getframe()), None]


cdef bint are_plain(dict options) except -1:
    """Return whether every version has these options of a task."""
    for key in options:
        if key != "name" and key != "context":
            return False
    return True


cdef object schedule(Scheduling loop, when, callback, args, context, str method):
    cdef TimerHandle timer
    cdef double when_seconds = when
    if loop.closed:
        loop.check_open()
    if loop.debugging:
        loop.check_call(callback, method)
    timer = timer_new(loop, callback, args, context, loop.origin() if loop.debugging else None)
    timer_arm(timer, &loop.timers, when_seconds)
    return timer


# ---- fast paths: the usual calls of the busiest methods


cdef bint is_context(PyObject* names) except -1:
    """Tell whether `context` is the only keyword of a call.

    Compiled code calls with one and the same tuple every time; asyncio's is not interned.
    """
    global CONTEXT_NAMES
    if names == <PyObject*>CONTEXT_NAMES:
        return True
    if PyTuple_GET_SIZE(names) != 1:
        return False
    if PyTuple_GET_ITEM(names, 0) == <PyObject*>CONTEXT:
        return True
    if <tuple>names != CONTEXT_NAMES:
        return False
    CONTEXT_NAMES = <tuple>names
    return True


cdef inline bint is_usual(Scheduling loop, Py_ssize_t count, PyObject* names) except -1:
    """Tell whether a fast path may take a callback with count - 1 arguments."""
    if loop.closed or loop.debugging or count < 1:
        return False
    return names == NULL or is_context(names)


cdef inline bint is_number(PyObject* item) noexcept:
    return PyFloat_CheckExact(<object>item) or PyLong_CheckExact(<object>item)


cdef inline bint is_name_of_none(PyObject* names, PyObject* value) noexcept:
    """Tell whether a call has the keyword name=None alone, as asyncio.create_task() passes it."""
    return (
        PyTuple_GET_SIZE(names) == 1
        and PyTuple_GET_ITEM(names, 0) == <PyObject*>NAME
        and value == <PyObject*>None
    )


cdef inline tuple tuple_of(PyObject** items, Py_ssize_t count):
    return () if count == 0 else tuple_of_some(items, count)


cdef tuple tuple_of_some(PyObject** items, Py_ssize_t count):
    cdef Py_ssize_t i
    if count == 1:
        return (<object>items[0],)
    return tuple([<object>items[i] for i in range(count)])


cdef PyObject* call_soon_fast(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    """Do what call_soon(callback, *args) does, with or without context=, if not in debug mode."""
    cdef Scheduling loop = <Scheduling>self
    cdef Handle handle
    if not is_usual(loop, count, names):
        return GENERAL_CALL_SOON(self, args, count, names)
    handle = handle_new(
        loop,
        <object>args[0],
        tuple_of(args + 1, count - 1),
        None if names == NULL else <object>args[count],
        None,
    )
    handle_post(handle, &loop.ready)
    Py_INCREF(handle)
    return <PyObject*>handle


cdef PyObject* call_soon_threadsafe_fast(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    """Do the same for call_soon_threadsafe()."""
    cdef Scheduling loop = <Scheduling>self
    cdef Handle handle
    if not is_usual(loop, count, names):
        return GENERAL_CALL_SOON_THREADSAFE(self, args, count, names)
    handle = threadsafe_new(
        loop,
        <object>args[0],
        tuple_of(args + 1, count - 1),
        None if names == NULL else <object>args[count],
        None,
    )
    handle_post(handle, &loop.ready)
    if loop.waker.sleeping:
        loop.waker.wake()
    Py_INCREF(handle)
    return <PyObject*>handle


cdef PyObject* call_later_fast(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    """Do the same for call_later() with a float or an int, on the loop's own clock."""
    cdef Scheduling loop = <Scheduling>self
    if (
        loop.clock_overridden
        or loop.call_at_overridden
        or not is_usual(loop, count - 1, names)
        or not is_number(args[0])
    ):
        return GENERAL_CALL_LATER(self, args, count, names)
    return schedule_fast(
        loop, seconds_from_ns(clock_ns()) + <double><object>args[0], args + 1, count - 1, names
    )


cdef PyObject* call_at_fast(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    """Do the same for call_at() with a float or an int."""
    cdef Scheduling loop = <Scheduling>self
    if not is_usual(loop, count - 1, names) or not is_number(args[0]):
        return GENERAL_CALL_AT(self, args, count, names)
    return schedule_fast(loop, <double><object>args[0], args + 1, count - 1, names)


cdef PyObject* schedule_fast(
    Scheduling loop, double when, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    cdef TimerHandle timer = timer_new(
        loop,
        <object>args[0],
        tuple_of(args + 1, count - 1),
        None if names == NULL else <object>args[count],
        None,
    )
    timer_arm(timer, &loop.timers, when)
    Py_INCREF(timer)
    return <PyObject*>timer


cdef PyObject* create_task_fast(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    """Do what create_task(coro) does for a task of asyncio's own class, if not in debug mode."""
    cdef Scheduling loop = <Scheduling>self
    if (
        loop.closed
        or loop.debugging
        or count != 1
        or not (names == NULL or is_name_of_none(names, args[1]))
        or loop._task_factory is not None
        or TASKS["Task"] is not OWN_TASK
    ):
        return GENERAL_CREATE_TASK(self, args, count, names)
    task = PyObject_Call(OWN_TASK, (<object>args[0],), loop.own_options())
    Py_INCREF(task)
    return <PyObject*>task


GENERAL_CALL_SOON = method_add_fast_path(Scheduling, "call_soon", call_soon_fast)
GENERAL_CALL_SOON_THREADSAFE = method_add_fast_path(
    Scheduling, "call_soon_threadsafe", call_soon_threadsafe_fast
)
GENERAL_CALL_LATER = method_add_fast_path(Scheduling, "call_later", call_later_fast)
GENERAL_CALL_AT = method_add_fast_path(Scheduling, "call_at", call_at_fast)
GENERAL_CREATE_TASK = method_add_fast_path(Scheduling, "create_task", create_task_fast)
