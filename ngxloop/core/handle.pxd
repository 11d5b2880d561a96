"""Handle: a callback that call_soon has scheduled."""

cimport cython

from ngxloop.core.event cimport Event, EventQueue


@cython.no_gc  # here as well, so that Cython knows it of TimerHandle's base
cdef class Handle:
    cdef object __weakref__
    cdef Event event
    cdef readonly object _loop
    cdef readonly object _callback
    cdef readonly object _args
    cdef object context


@cython.no_gc
cdef class TracedHandle(Handle):
    cdef list origin                 # [StackSummary of its making, text when cancelled]

cdef Handle handle_new(loop, callback, args, context, list origin)
cdef int handle_fill(Handle handle, loop, callback, args, context) except -1
cdef int handle_cancel(Handle handle) except -1
cdef int handle_end(Handle handle, list origin) except -1
cdef void handle_hide(Handle handle) noexcept
cdef void handle_show(Handle handle) noexcept
cdef int handle_post(Handle handle, EventQueue* queue) except -1
cdef int handle_run(Event* ev) except -1
cdef int handle_call(Handle handle) except -1
cdef int handle_call_with(Handle handle, run) except -1
cdef object handle_patched_run()
cdef unsigned int handle_class_version() noexcept
cdef int handle_drop(Event* ev) except -1
cdef Handle handle_take(Event* ev)
cdef int handle_clear(Handle handle) except -1
cdef int handle_forget(Handle handle) except -1
cdef bint context_enter(context) noexcept
cdef object call_in_context(context, callback, tuple args)
cdef object call_within(context, callback)
cdef int raise_pending() except -1
cdef int raise_outside(entered_context) except -1
