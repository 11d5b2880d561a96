"""TlsWindow: a stretch of memory that Python code can read and write.

The ssl module needs objects with a buffer. A memoryview for each call would be made and freed four
times per message; one window serves a whole loop: it is set, passed to one call, and not read
afterwards. The called function must not keep it, and the ssl module does not.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo


@cython.final
cdef class TlsWindow:
    """A movable buffer; see the file header."""

    cdef void show(self, const char* start, Py_ssize_t size) noexcept:
        """Be the buffer of size bytes at start, for the next call."""
        self.start = <void*>start
        self.size = size

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, self.start, self.size, 0, flags)
