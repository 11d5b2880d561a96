"""ThreadsafeHandle: a callback that call_soon_threadsafe has scheduled."""

cimport cython
from cpython.object cimport PyObject

from ngxloop.core.event cimport Event
from ngxloop.core.handle cimport Handle


@cython.no_gc
@cython.final
cdef class ThreadsafeHandle(Handle):
    cdef list origin                 # as a TracedHandle's; None if not made in debug mode
    cdef PyObject* ended             # OWNS: a lock, held until the callback has ended; or NULL
    cdef unsigned long runner        # the thread that runs the callback, 0 if none does

cdef ThreadsafeHandle threadsafe_new(loop, callback, args, context, list origin)
cdef int threadsafe_run(Event* ev) except -1
cdef int threadsafe_call(ThreadsafeHandle handle, run) except -1
