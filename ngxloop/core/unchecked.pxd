"""The interpreter's functions without Cython's error checks, and what to do with their results.

A caller compares the result with NULL or 0 itself. So the common case saves and restores no
exception state, and a failure is handled where it happens: the exception is pending then, and
raise_pending() of core/handle turns it into one that `except` sees.
"""

from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

cdef extern from "Python.h":
    PyObject* PyObject_Call(object callable, object args, PyObject* kwargs)
    PyObject* PyObject_CallNoArgs(object callable)
    PyObject* PyObject_CallOneArg(object callable, object arg)
    PyObject* PyObject_CallMethodOneArg(object owner, object name, object arg)
    PyObject* PyObject_VectorcallMethod(
        object name, PyObject** arguments, size_t count, PyObject* names
    )
    int PyContext_Enter(object context)
    int PyContext_Exit(object context)


cdef inline object owned(PyObject* result):
    """Return a result, which is not NULL, as an object that owns the reference."""
    cdef object owner = <object>result
    Py_DECREF(owner)  # the reference that the call returned; the variable has its own
    return owner


cdef inline void discard(PyObject* result) noexcept:
    """Drop the reference of a result that is not NULL."""
    Py_DECREF(<object>result)
