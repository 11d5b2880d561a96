"""Scheduling: call_soon, call_later and the like.

The GIL is the lock: call_soon_threadsafe posts to the same queue as call_soon, so that the order of
the calls is kept, and wakes the loop only if it sleeps.
"""

from sys import _getframe

from ngxloop.core.handle cimport Handle, handle_new, handle_post
from ngxloop.core.threadsafe_handle cimport threadsafe_new
from ngxloop.core.timers cimport TimerHandle, timer_arm, timer_new


cdef object extract_stack = None


def bind_extract_stack(function) -> None:
    """Set how debug mode records where a handle was scheduled: function(frame) -> StackSummary."""
    global extract_stack
    extract_stack = function


cdef object FUTURE = None


def bind_future_class(future_class: type) -> None:
    """Set the class of create_future(): asyncio.Future."""
    global FUTURE
    FUTURE = future_class


cdef object TASKS = None
cdef object CREATE_TASK = None


def bind_tasks(tasks_module, create_task) -> None:
    """Set the module with the class of tasks, asyncio.tasks, and the method for unusual ones."""
    global TASKS, CREATE_TASK
    TASKS = tasks_module
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

    def create_future(self):
        """Return a new asyncio.Future of this loop."""
        return FUTURE(loop=self)

    def create_task(self, coro, **options):
        """Run a coroutine as a task, from the next turn on.

        Args:
            options: name and context, and what else BaseEventLoop.create_task() takes.
        """
        plain = not self.closed and not self.debugging and are_plain(options)
        if not plain or self._task_factory is not None:
            return CREATE_TASK(self, coro, **options)
        options["loop"] = self
        return TASKS.Task(coro, **options)

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
