"""Methods of compiled base classes, given to the class that inherits them; fast paths for some."""

from cpython.object cimport PyObject

# A method as the interpreter calls it, with METH_FASTCALL | METH_KEYWORDS: after the `count`
# positional arguments, args holds the values of the keywords; names is their tuple, or NULL.
ctypedef PyObject* (*Method)(
    PyObject* self, PyObject** args, Py_ssize_t count, PyObject* names
) except NULL

cdef extern from "Python.h":
    ctypedef void* PyCFunction  # a pointer to a function whose type depends on ml_flags

    ctypedef struct PyMethodDef:
        PyCFunction ml_meth
        int ml_flags

cdef PyMethodDef* definition_of(type owner, str name) except NULL
cdef Method method_add_fast_path(type owner, str name, Method fast_path) except NULL
cdef bint method_has_fast_path(type owner, str name, Method fast_path) except -1
cdef bint is_same_method(method, original) noexcept
