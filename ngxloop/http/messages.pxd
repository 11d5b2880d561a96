"""Reading the messages of an application."""

from cpython.dict cimport PyDict_CheckExact
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.string cimport memcmp

cdef extern from "Python.h":
    PyObject* PyDict_GetItemWithError(object items, object key) except? NULL  # BORROWED
    bint PyUnicode_IS_COMPACT_ASCII(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    void* PyUnicode_DATA(object text)

# What the engine reads of a message. BORROWS from the dict that message_read() returns, as long as
# no code of the application runs; NULL: it is not in the message.
cdef struct Message:
    PyObject* type
    PyObject* status
    PyObject* headers
    PyObject* trailers
    PyObject* body
    PyObject* more_body

cdef dict message_read(Message* fields, message)


cdef inline object message_get(message, str key, default):
    """Return what message.get(key, default) returns."""
    cdef PyObject* value
    if not PyDict_CheckExact(message):
        return message.get(key, default)
    value = PyDict_GetItemWithError(message, key)
    return default if value == NULL else <object>value


cdef inline object value_or(PyObject* value, default):
    """Return a value of a message, or a default if there is none."""
    return default if value == NULL else <object>value


cdef inline bint is_text(text, const char* ascii, Py_ssize_t size) noexcept:
    """Return whether text is a str of these ASCII characters.

    The interpreter does not intern strings with a dot in them, so identity proves nothing.
    """
    return (
        PyUnicode_CheckExact(text)
        and PyUnicode_GET_LENGTH(text) == size
        and PyUnicode_IS_COMPACT_ASCII(text)
        and memcmp(PyUnicode_DATA(text), ascii, size) == 0
    )
