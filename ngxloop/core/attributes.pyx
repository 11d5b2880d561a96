"""LoopAttributes: the state that BaseEventLoop keeps in attributes.

Its code, that of test suites and of other packages reads and sets `_debug`, `_closed`, `_stopping`
and others; here they are views of what the reactor knows.
"""

from cpython.object cimport PyObject_GenericSetAttr


cdef class LoopAttributes(Reactor):
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

    def __setattr__(self, name, value):
        if name == "time":  # a test clock
            self.clock_overridden = True
        PyObject_GenericSetAttr(self, name, value)
