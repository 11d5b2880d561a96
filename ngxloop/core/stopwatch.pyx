"""Stopwatch: runs events and measures how long they take.

A turn hands its events to the stopwatch only in debug mode, with a slow-callback hook, or while
asyncio.Handle._run is replaced; otherwise it costs a check of one flag per turn.
"""

cimport cython
from cpython.ref cimport Py_DECREF
from libc.stdint cimport int64_t

from ngxloop.core.clock cimport clock_ns, seconds_from_ns
from ngxloop.core.event cimport Event, EventQueue
from ngxloop.core.handle cimport (
    Handle,
    handle_call_with,
    handle_class_version,
    handle_forget,
    handle_patched_run,
    handle_run,
)
from ngxloop.core.ready cimport queue_is_empty, queue_take
from ngxloop.core.threadsafe_handle cimport ThreadsafeHandle, threadsafe_call, threadsafe_run


@cython.final
cdef class Stopwatch:
    """How long events take, for one loop; see the file header."""

    def __cinit__(self):
        self.slow_seconds = 0.1  # asyncio: slow_callback_duration

    cdef int run_queue(self, loop, EventQueue* queue) except -1:
        """Run all events of a queue, and report those that took long."""
        cdef Event* ev
        while not queue_is_empty(queue):
            ev = queue_take(queue)
            if ev.handler == handle_run or ev.handler == threadsafe_run:
                self.run_handle(loop, ev)
            else:
                self.run_event(loop, ev)
        return 0

    cdef int run_handle(self, loop, Event* ev) except -1:
        """Run a handle: the current one in debug mode; complete until it has been reported."""
        cdef Handle handle = <Handle>ev.data
        cdef int64_t start_ns = clock_ns()
        cdef object outer = self.current_handle  # that of a turn whose callback turns the loop
        if self.debugging:
            self.current_handle = handle
        try:
            if ev.handler == threadsafe_run:
                threadsafe_call(<ThreadsafeHandle>handle, self.patched_run)
            else:
                handle_call_with(handle, self.patched_run)
            self.report_if_slow(loop, handle, seconds_from_ns(clock_ns() - start_ns))
        finally:
            self.current_handle = outer
            Py_DECREF(handle)  # the queue's reference; ev.data is gone if a timer was armed again
            handle_forget(handle)
        return 0

    cdef int run_event(self, loop, Event* ev) except -1:
        """Run a connection's event; its owner may be gone afterwards."""
        cdef int64_t start_ns = clock_ns()
        cdef object owner = <object>ev.data
        ev.handler(ev)
        return self.report_if_slow(loop, owner, seconds_from_ns(clock_ns() - start_ns))

    cdef int report_if_slow(self, loop, source, double seconds) except -1:
        """Report what took this long, to debug mode's log and to the program's hook."""
        cdef object hook = self.hook if seconds >= self.hook_seconds else None
        cdef bint reported = self.debugging and seconds >= self.slow_seconds
        if not reported and hook is None:
            return 0
        self.slow_count += 1
        if reported:
            loop._report_slow(source, seconds)
        if hook is not None:
            loop._run_slow_hook(hook, source, seconds)
        return 0

    cdef int set_debugging(self, bint debugging) except -1:
        self.debugging = debugging
        return self.settle()

    cdef int set_hook(self, hook, double seconds) except -1:
        self.hook = hook
        self.hook_seconds = seconds
        return self.settle()

    cdef int check_class(self) except -1:
        """Call settle() if asyncio.Handle has changed since it was called last."""
        cdef unsigned int version = handle_class_version()
        if version != 0 and version == self.class_version:
            return 0
        return self.settle()

    cdef int settle(self) except -1:
        """Determine whether events must be timed; O(1)."""
        self.patched_run = handle_patched_run()
        self.class_version = handle_class_version()  # the look-up has given it one
        self.running = self.debugging or self.hook is not None or self.patched_run is not None
        return 0
