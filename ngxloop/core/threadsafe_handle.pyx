"""ThreadsafeHandle: a callback that call_soon_threadsafe has scheduled.

How it works. In another thread, cancel() and cancelled() return only when a callback that has begun
has ended, so that what the callback uses may be freed afterwards. asyncio has done so since Python
3.14, with a lock for each handle. Here the GIL is the lock: a running handle names its thread, and
only a thread that finds it running makes a lock to wait for.

Rules. The thread that runs the callback never waits: it may cancel the handle, or run it again by
hand. `ended` is locked while the callback runs, and exists only if a thread waits.
"""

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport Py_DECREF, Py_INCREF
from _thread import allocate_lock

from ngxloop.core.event cimport Event
from ngxloop.core.freelist cimport memory_keep
from ngxloop.core.handle cimport (
    Handle,
    handle_call,
    handle_call_with,
    handle_end,
    handle_fill,
    handle_forget,
    handle_patched_run,
    raise_pending,
)
from ngxloop.core.limits cimport KEPT_HANDLE_COUNT_MAX

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object owner)

# handle_call() without Cython's check: the usual call saves and restores no exception state.
ctypedef int (*UncheckedCall)(Handle handle) noexcept

cdef object PUBLIC_CLASS = object


def bind_threadsafe_class(public_class: type) -> None:
    """Set the Python class these handles appear to be: asyncio's, or asyncio.Handle."""
    global PUBLIC_CLASS
    PUBLIC_CLASS = public_class


@cython.no_gc
@cython.final
cdef class ThreadsafeHandle(Handle):
    """A callback scheduled from any thread; call_soon_threadsafe returns it."""

    @property
    def __class__(self):
        return PUBLIC_CLASS

    @property
    def _source_traceback(self):
        return None if self.origin is None else self.origin[0]

    @property
    def _repr(self):
        return None if self.origin is None else self.origin[1]

    def cancel(self):
        """Prevent the callback from running; if it runs in another thread, wait until it has ended.

        Harmless when it has run or is cancelled already.
        """
        wait_for_others(self)
        handle_end(self, self.origin)

    def cancelled(self):
        """Return True if the callback was cancelled; waits as cancel() does."""
        wait_for_others(self)
        return bool(self.event.cancelled)

    def _run(self):
        """Run the callback now, as asyncio.Handle does; for programs that step a loop by hand."""
        if not self.event.accept:
            threadsafe_call(self, None)
            return
        self.event.accept = False
        try:
            threadsafe_call(self, handle_patched_run())
        finally:
            handle_forget(self)


memory_keep(<PyTypeObject*>ThreadsafeHandle, KEPT_HANDLE_COUNT_MAX)


cdef ThreadsafeHandle threadsafe_new(loop, callback, args, context, list origin):
    """Return a handle that is in no queue yet; see handle_new."""
    cdef ThreadsafeHandle handle = ThreadsafeHandle.__new__(ThreadsafeHandle)
    if origin is not None:
        handle.origin = origin
    handle_fill(handle, loop, callback, args, context)
    handle.event.handler = threadsafe_run
    return handle


cdef int threadsafe_run(Event* ev) except -1:
    """Run the callback of a handle that was taken from its queue (an EventHandler)."""
    cdef ThreadsafeHandle handle = <ThreadsafeHandle>ev.data
    Py_DECREF(handle)  # the queue's reference; the local variable has its own
    if handle.runner == 0:
        call_alone(handle)
    else:  # the program runs it by hand
        threadsafe_call(handle, None)
    if Py_REFCNT(handle) == 1:  # no reference was kept: it is freed right now
        return 0
    return handle_forget(handle)


cdef int threadsafe_call(ThreadsafeHandle handle, run) except -1:
    """Call the callback as handle_call_with() does, after another thread that runs it by hand."""
    cdef unsigned long outer
    wait_for_others(handle)
    outer = handle.runner
    handle.runner = PyThread_get_thread_ident()
    try:
        handle_call_with(handle, run)
    finally:
        handle.runner = outer
        if outer == 0 and handle.ended != NULL:
            let_go_on(handle)
    return 0


cdef inline int call_alone(ThreadsafeHandle handle) except -1:
    """Do what threadsafe_call(handle, None) does, if no thread runs the handle."""
    cdef int outcome
    handle.runner = PyThread_get_thread_ident()
    outcome = (<UncheckedCall>handle_call)(handle)
    handle.runner = 0
    if outcome == 0 and handle.ended == NULL:
        return 0
    return has_run(handle, outcome)


cdef int has_run(ThreadsafeHandle handle, int outcome) except -1:
    """Let other threads go on, and raise what is pending if the outcome is -1."""
    try:
        if outcome != 0:
            raise_pending()
    finally:
        if handle.ended != NULL:
            let_go_on(handle)
    return 0


cdef int let_go_on(ThreadsafeHandle handle) except -1:
    """Wake the threads that wait for the end of the callback."""
    cdef object ended = <object>handle.ended
    handle.ended = NULL
    Py_DECREF(ended)  # the handle's reference; the local variable has its own
    ended.release()
    return 0


cdef inline bint runs_elsewhere(ThreadsafeHandle handle) noexcept:
    return handle.runner != 0 and handle.runner != PyThread_get_thread_ident()


cdef int wait_for_others(ThreadsafeHandle handle) except -1:
    """Return when no other thread runs the callback; a signal's exception ends the wait."""
    cdef object lock
    while runs_elsewhere(handle):
        if handle.ended == NULL:
            lock = allocate_lock()
            lock.acquire()
            # Making an object may start the collector, and so run Python code: ask again.
            if handle.ended == NULL and runs_elsewhere(handle):
                Py_INCREF(lock)
                handle.ended = <PyObject*>lock
        else:
            lock = <object>handle.ended
            with lock:  # several threads wait for the same lock: each passes it on
                pass
    return 0
