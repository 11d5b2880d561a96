"""How often the busiest methods of the loop leave a call to their general code."""

from cpython.object cimport PyObject

import contextlib

from ngxloop.core cimport scheduling
from ngxloop.core.methods cimport Method

cdef dict COUNTS = None
cdef Method CALL_SOON = NULL
cdef Method CALL_SOON_THREADSAFE = NULL
cdef Method CALL_LATER = NULL
cdef Method CALL_AT = NULL
cdef Method CREATE_TASK = NULL


@contextlib.contextmanager
def general_calls():
    """Give a dict that counts, by method, the calls that do not take the fast path."""
    global COUNTS
    COUNTS = dict.fromkeys(
        ("call_soon", "call_soon_threadsafe", "call_later", "call_at", "create_task"), 0
    )
    begin()
    try:
        yield COUNTS
    finally:
        end()


cdef int begin() except -1:
    global CALL_SOON, CALL_SOON_THREADSAFE, CALL_LATER, CALL_AT, CREATE_TASK
    CALL_SOON, scheduling.GENERAL_CALL_SOON = scheduling.GENERAL_CALL_SOON, count_call_soon
    CALL_SOON_THREADSAFE, scheduling.GENERAL_CALL_SOON_THREADSAFE = (
        scheduling.GENERAL_CALL_SOON_THREADSAFE, count_call_soon_threadsafe
    )
    CALL_LATER, scheduling.GENERAL_CALL_LATER = scheduling.GENERAL_CALL_LATER, count_call_later
    CALL_AT, scheduling.GENERAL_CALL_AT = scheduling.GENERAL_CALL_AT, count_call_at
    CREATE_TASK, scheduling.GENERAL_CREATE_TASK = (
        scheduling.GENERAL_CREATE_TASK, count_create_task
    )
    return 0


cdef int end() except -1:
    scheduling.GENERAL_CALL_SOON = CALL_SOON
    scheduling.GENERAL_CALL_SOON_THREADSAFE = CALL_SOON_THREADSAFE
    scheduling.GENERAL_CALL_LATER = CALL_LATER
    scheduling.GENERAL_CALL_AT = CALL_AT
    scheduling.GENERAL_CREATE_TASK = CREATE_TASK
    return 0


cdef PyObject* count_call_soon(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    COUNTS["call_soon"] += 1
    return CALL_SOON(self, args, count, names)


cdef PyObject* count_call_soon_threadsafe(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    COUNTS["call_soon_threadsafe"] += 1
    return CALL_SOON_THREADSAFE(self, args, count, names)


cdef PyObject* count_call_later(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    COUNTS["call_later"] += 1
    return CALL_LATER(self, args, count, names)


cdef PyObject* count_call_at(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    COUNTS["call_at"] += 1
    return CALL_AT(self, args, count, names)


cdef PyObject* count_create_task(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL:
    COUNTS["create_task"] += 1
    return CREATE_TASK(self, args, count, names)
