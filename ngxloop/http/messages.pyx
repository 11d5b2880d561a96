"""Reading the messages of an application: dicts of a few items, in nearly every case.

How it works. The items are passed over once, and their keys compared by identity: the interpreter
interns the strings of a program that look like names. That costs a fifth of a lookup for each key.
A key that is not interned, one that was read from a file, say, leads to the lookups. Those may run
__eq__ of a key, which may change the message: they are done in a copy.
"""

from cpython.dict cimport PyDict_CheckExact, PyDict_Copy
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_CheckExact
from libc.string cimport memset

cdef extern from "Python.h":
    bint PyDict_Next(object items, Py_ssize_t* position, PyObject** key, PyObject** value)
    bint PyUnicode_CHECK_INTERNED(object text)

# Cython interns these.
cdef str TYPE = "type"
cdef str STATUS = "status"
cdef str HEADERS = "headers"
cdef str TRAILERS = "trailers"
cdef str BODY = "body"
cdef str MORE_BODY = "more_body"


cdef dict message_read(Message* fields, message):
    """Read a message, a dict or another mapping; return the dict that its values were read from.

    Raises:
        KeyError: it has no type.
    """
    cdef dict items = message if PyDict_CheckExact(message) else dict(message)
    memset(fields, 0, sizeof(Message))
    if not read_interned(fields, items):
        items = PyDict_Copy(items)
        look_up(fields, items)
    if fields.type == NULL:
        raise KeyError(TYPE)
    return items


cdef bint read_interned(Message* fields, dict items) noexcept:
    """Read the items in their order; return False if a key is not interned."""
    cdef Py_ssize_t position = 0
    cdef PyObject* key = NULL
    cdef PyObject* value = NULL
    while PyDict_Next(items, &position, &key, &value):
        if key == <PyObject*>TYPE:
            fields.type = value
        elif key == <PyObject*>BODY:
            fields.body = value
        elif key == <PyObject*>MORE_BODY:
            fields.more_body = value
        elif key == <PyObject*>STATUS:
            fields.status = value
        elif key == <PyObject*>HEADERS:
            fields.headers = value
        elif key == <PyObject*>TRAILERS:
            fields.trailers = value
        elif not (
            PyUnicode_CheckExact(<object>key) and PyUnicode_CHECK_INTERNED(<object>key)
        ):
            return False
    return True


cdef int look_up(Message* fields, dict items) except -1:
    fields.type = PyDict_GetItemWithError(items, TYPE)
    fields.status = PyDict_GetItemWithError(items, STATUS)
    fields.headers = PyDict_GetItemWithError(items, HEADERS)
    fields.trailers = PyDict_GetItemWithError(items, TRAILERS)
    fields.body = PyDict_GetItemWithError(items, BODY)
    fields.more_body = PyDict_GetItemWithError(items, MORE_BODY)
    return 0
