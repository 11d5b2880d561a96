"""Free lists: the memory of objects that are gone is kept for the next ones."""

from cpython.object cimport PyTypeObject
from libc.stdint cimport int64_t

cdef int memory_keep(PyTypeObject* type, Py_ssize_t count_max) except -1
cdef void memory_trim(int64_t now_ns) noexcept
