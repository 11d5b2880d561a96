"""Handle: a callback that call_soon has scheduled.

Rules. While the event is posted, the queue OWNS one reference to the handle. A handle that has run
or was cancelled holds no callback, no arguments, no context and no loop. So cycles through it end
by themselves and it needs no garbage collector tracking: a batch of 200,000 tracked handles costs
240 ns each, untracked 143 ns. The price: a loop that is dropped with handles still in it, neither
run nor closed, is not found by the collector if a callback refers to the loop. The same holds for
the copy of the context that a handle makes: see handle_hide.

isinstance(handle, asyncio.Handle) holds although a compiled class cannot inherit from it: __class__
answers with the Python class that bind_handle_class was given, and its per-version methods (texts
above all) work on our attributes.

Profilers and watchdogs replace asyncio.Handle._run by a function of their own, which calls the
original one. handle_patched_run() finds them; a loop calls it when it starts, and before it sleeps
if asyncio.Handle has changed.
"""

cimport cython
from cpython.contextvars cimport PyContext_CopyCurrent
from cpython.exc cimport PyErr_Clear
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF

from ngxloop.core.event cimport Event, EventQueue
from ngxloop.core.freelist cimport memory_keep
from ngxloop.core.limits cimport KEPT_HANDLE_COUNT_MAX
from ngxloop.core.ready cimport event_post, event_unpost, queue_is_empty

# Declared here without Cython's error checks: a failure is handled where it happens, so that the
# common case saves and restores no exception state.
cdef extern from "Python.h":
    ctypedef struct PyTupleObject:
        PyObject** ob_item

    ctypedef struct VersionedType "PyTypeObject":
        unsigned int tp_version_tag  # of the method cache: another one after each change

    ctypedef PyObject* (*vectorcallfunc)(
        object callable, PyObject** args, size_t count, PyObject* names
    ) noexcept

    vectorcallfunc PyVectorcall_Function(object callable)
    PyObject* PyObject_Call(object callable, object args, PyObject* kwargs)
    Py_ssize_t PyTuple_GET_SIZE(object args)
    int PyContext_Enter(object context)
    int PyContext_Exit(object context)
    PyObject* _PyType_Lookup(PyTypeObject* type, object name)  # BORROWED; O(1), by the method cache
    PyObject* PyErr_Occurred()
    void PyErr_SetString(object kind, const char* message)
    Py_ssize_t Py_REFCNT(object owner)
    void PyObject_GC_Track(void* owner)
    void PyObject_GC_UnTrack(void* owner)

cdef object PUBLIC_CLASS = object
cdef object OWN_RUN = None
cdef str RUN_NAME = "_run"


def bind_handle_class(public_class: type, own_run) -> None:
    """Set the Python class handles appear to be, asyncio.Handle, and its own method _run.

    Args:
        own_run: None if the method was replaced before it could be seen.
    """
    global PUBLIC_CLASS, OWN_RUN
    PUBLIC_CLASS = public_class
    OWN_RUN = own_run


cdef object handle_patched_run():
    """Return what the program has put into the place of asyncio.Handle._run, or None."""
    cdef PyObject* run = _PyType_Lookup(<PyTypeObject*>PUBLIC_CLASS, RUN_NAME)
    if run == NULL or run == <PyObject*>OWN_RUN:
        return None
    return <object>run


cdef unsigned int handle_class_version() noexcept:
    """Return a number that is another one when asyncio.Handle has changed; 0 is none."""
    return (<VersionedType*>PUBLIC_CLASS).tp_version_tag


@cython.no_gc
cdef class Handle:
    """A scheduled callback; call_soon returns it."""

    def __init__(self):
        raise TypeError("handles are made by call_soon() and similar methods")

    @property
    def __class__(self):
        return PUBLIC_CLASS

    @property
    def _source_traceback(self):
        return None

    @property
    def _repr(self):
        return None

    @property
    def _cancelled(self):
        return bool(self.event.cancelled)

    def _repr_info(self):
        return PUBLIC_CLASS._repr_info(self)

    def __repr__(self):
        return PUBLIC_CLASS.__repr__(self)

    def cancel(self):
        """Prevent the callback from running; harmless when it has run or is cancelled already."""
        handle_cancel(self)

    def cancelled(self):
        """Return True if the callback was cancelled."""
        return bool(self.event.cancelled)

    def get_context(self):
        """Return the contextvars.Context the callback runs in; None once it has run."""
        return self._context

    @property
    def _context(self):
        handle_show(self)
        return self.context

    def _run(self):
        """Run the callback now, as asyncio.Handle does; for programs that step a loop by hand."""
        if self.event.accept:
            handle_run_taken(self)
        else:
            handle_call(self)


@cython.no_gc
@cython.final
cdef class TracedHandle(Handle):
    """A handle made in debug mode, which records where."""

    @property
    def _source_traceback(self):
        return self.origin[0]

    @property
    def _repr(self):
        return self.origin[1]


memory_keep(<PyTypeObject*>Handle, KEPT_HANDLE_COUNT_MAX)


cdef Handle handle_new(loop, callback, args, context, list origin):
    """Return a handle that is in no queue yet; see handle_fill.

    Args:
        origin: what a TracedHandle records; None for a plain handle.
    """
    cdef Handle handle
    if origin is None:
        handle = Handle.__new__(Handle)
    else:
        handle = TracedHandle.__new__(TracedHandle)
        (<TracedHandle>handle).origin = origin
    handle_fill(handle, loop, callback, args, context)
    return handle


cdef int handle_fill(Handle handle, loop, callback, args, context) except -1:
    """Give a new handle its content; a copy of the current context if none is named."""
    if callback is None:  # None marks a handle that has run
        raise TypeError("a callable object was expected, got None")
    handle.event.handler = handle_run
    handle.event.data = <void*>handle
    handle._loop = loop
    handle._callback = callback
    handle._args = args
    if context is None:
        handle.context = PyContext_CopyCurrent()
        handle.event.copied = True
    else:
        handle.context = context
    return 0


cdef void handle_hide(Handle handle) noexcept:
    """Take our own copy of the context out of the collector's lists while the handle waits.

    Nothing else refers to the copy yet, so it cannot be part of a garbage cycle; but a collector
    that walks over the contexts of a million timers makes each timer cost half as much again. It is
    shown before other code can reach it, and before it is freed: the interpreter relies on that. A
    handle that waits alone is not worth it.
    """
    if handle.event.copied:
        PyObject_GC_UnTrack(<void*>handle.context)
        handle.event.hidden = True


cdef void handle_show(Handle handle) noexcept:
    """Let the collector know the context; before the handle is given out of the loop's hands."""
    if handle.event.hidden:
        PyObject_GC_Track(<void*>handle.context)
        handle.event.hidden = False


cdef int handle_cancel(Handle handle) except -1:
    """Let go of the callback and leave the queue; the caller holds a reference of its own."""
    if type(handle) is TracedHandle:
        return handle_end(handle, (<TracedHandle>handle).origin)
    return handle_end(handle, None)


cdef int handle_end(Handle handle, list origin) except -1:
    """Cancel a handle with this origin, or None."""
    if handle.event.cancelled:
        return 0
    handle.event.cancelled = 1
    if origin is not None:
        origin[1] = repr(handle)
    handle_clear(handle)
    if handle.event.posted:
        event_unpost(&handle.event)
        handle._loop = None
        Py_DECREF(handle)
    return 0


cdef int handle_post(Handle handle, EventQueue* queue) except -1:
    """Queue the handle; the queue takes a reference of its own."""
    Py_INCREF(handle)
    if not queue_is_empty(queue):
        handle_hide(handle)
    event_post(queue, &handle.event)
    return 0


cdef int handle_run(Event* ev) except -1:
    """Run the callback of a handle that was taken from its queue (an EventHandler)."""
    cdef Handle handle = <Handle>ev.data
    Py_DECREF(handle)  # the queue's reference; the local variable has its own
    handle_call(handle)
    if Py_REFCNT(handle) == 1:  # no reference was kept: it is freed right now
        return 0
    return handle_forget(handle)


cdef Handle handle_take(Event* ev):
    """Give a handle that was taken from its queue to the program, which is to call _run().

    Its bit `accept` says so: _run() then lets go of everything, as the loop would have.
    """
    cdef Handle handle = <Handle>ev.data
    Py_DECREF(handle)
    handle_show(handle)
    handle.event.accept = True
    return handle


cdef int handle_run_taken(Handle handle) except -1:
    """Do what the loop would have done with a handle that the program has taken."""
    handle.event.accept = False
    try:
        handle_call_with(handle, handle_patched_run())
    finally:
        handle_forget(handle)
    return 0


cdef int handle_drop(Event* ev) except -1:
    """Forget a handle that was taken from its queue without running it."""
    cdef Handle handle = <Handle>ev.data
    Py_DECREF(handle)
    return handle_forget(handle)


cdef int handle_forget(Handle handle) except -1:
    """Drop everything, unless the callback has put its own handle into a queue again.

    `ready` is set while a timer is armed, see timers.pyx.
    """
    if handle.event.posted or handle.event.ready:
        return 0
    handle._loop = None
    return handle_clear(handle)


cdef int handle_clear(Handle handle) except -1:
    handle_show(handle)
    handle._callback = None
    handle._args = None
    handle.context = None
    return 0


cdef int handle_call(Handle handle) except -1:
    """Call the callback in its context; only SystemExit and KeyboardInterrupt rise."""
    cdef PyObject* result = NULL
    cdef object context = handle.context  # the callback may cancel its own handle
    cdef bint entered
    if handle._callback is None:
        return 0
    handle_show(handle)
    entered = PyContext_Enter(context) == 0
    if entered:
        result = call(handle._callback, handle._args)
    if result != NULL:
        Py_DECREF(<object>result)
        PyContext_Exit(context)
        return 0
    return report_failure(handle, context if entered else None)


cdef int handle_call_with(Handle handle, run) except -1:
    """Call the callback as handle._run() would, if asyncio.Handle had run in the place of _run."""
    if run is None:
        return handle_call(handle)
    if handle._callback is not None:
        if hasattr(run, "__get__"):  # a function, above all
            run = run.__get__(handle, PUBLIC_CLASS)
        run()
    return 0


cdef inline PyObject* call(object callback, object args) noexcept:
    """Call as PyObject_Call does, with one step in between instead of three."""
    cdef vectorcallfunc function = PyVectorcall_Function(callback)
    cdef PyObject* result
    if function == NULL:
        return PyObject_Call(callback, args, NULL)
    result = function(callback, (<PyTupleObject*>args).ob_item, PyTuple_GET_SIZE(args), NULL)
    if result == NULL and PyErr_Occurred() == NULL:  # a broken extension ends no loop
        PyErr_SetString(SystemError, "callback returned NULL without setting an exception")
    return result


cdef int report_failure(Handle handle, entered_context) except -1:
    """Hand the pending exception to the loop's exception handler, out of the callback's context."""
    try:
        raise_outside(entered_context)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        if handle._loop is None:  # run by hand, it has cancelled itself in its queue
            raise
        handle._loop._report_handle_failure(handle, exc)
    return 0


cdef int raise_pending() except -1:
    """Turn the interpreter's pending exception into one that `except` sees."""
    return -1


cdef int raise_outside(entered_context) except -1:
    """The same, out of the context where it happened; None if that could not be entered."""
    try:
        raise_pending()
    finally:
        if entered_context is not None:
            PyContext_Exit(entered_context)
    return 0


cdef bint context_enter(context) noexcept:
    """Enter a context; False if we are in it already, as a callback turns the loop by hand."""
    if PyContext_Enter(context) == 0:
        return True
    PyErr_Clear()
    return False


cdef object call_in_context(context, callback, tuple args):
    """Return callback(*args), run inside context; its exception rises.

    If a callback in there turns the loop, the context cannot be entered again: it is just called.
    """
    cdef PyObject* result
    cdef object answer
    cdef bint entered = context_enter(context)
    result = call(callback, args)
    if result == NULL:
        raise_outside(context if entered else None)
    answer = <object>result
    Py_DECREF(answer)
    if entered:
        PyContext_Exit(context)
    return answer


cdef object call_within(context, callback):
    """Return callback(), inside context; a caller that is in there already just calls."""
    if PyContext_Enter(context) != 0:
        PyErr_Clear()
        return callback()
    try:
        return callback()
    finally:
        PyContext_Exit(context)
