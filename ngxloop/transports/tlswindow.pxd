"""TlsWindow: a stretch of memory that Python code can read and write."""

cdef class TlsWindow:
    cdef void* start                 # BORROWED from the caller of show(), for one call
    cdef Py_ssize_t size

    cdef void show(self, const char* start, Py_ssize_t size) noexcept
