# cython: nonecheck=True
"""What an application awaits: objects that are done at once where they can be.

How it works. `await x` takes x's iterator and asks it for the next object to wait for; one that has
none ends the await with its result. COMPLETED has none and no result: all send() that need not wait
return this one object. A Waiting asks its owner for the outcome, and lets a future of the loop be
waited for while there is none yet. Futures are made for those that wait, and for no others.

Rules. Both are coroutines to everything that asks: create_task(), gather(), wait_for() and task
groups take them (collections.abc.Coroutine). A Waiting does nothing before it is awaited, and can
be awaited once. Whoever is woken asks for the outcome again: another one may have been faster.

The iterators end without an exception, or with one that has no traceback: the interpreter takes the
first for None (_PyGen_FetchStopIterationValue), and the second costs a third of a raise.
"""

cimport cython
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF

import collections.abc

from ngxloop.core.completion cimport complete
from ngxloop.core.unchecked cimport owned

cdef extern from "Python.h":
    ctypedef PyObject* (*NextFunction)(PyObject* iterator)

    ctypedef struct IteratorSlots "PyTypeObject":
        NextFunction tp_iternext

    ctypedef enum SendResult "PySendResult":
        PYGEN_RETURN
        PYGEN_NEXT
        PYGEN_ERROR

    SendResult PyIter_Send(PyObject* iterator, PyObject* value, PyObject** result)
    PyObject* Py_None
    PyObject* STOP_ITERATION "PyExc_StopIteration"
    void PyErr_SetObject(PyObject* type, PyObject* value)

# The same function without Cython's check for an exception, which is to stay pending.
ctypedef PyObject* (*Step)(Waiting waiting) noexcept

NOT_YET = object()


@cython.final
cdef class Completed:
    """An awaitable that is done, with None as its result; see the file header."""

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        raise StopIteration

    def send(self, value):
        """End, as a coroutine does that returns None."""
        raise StopIteration

    def throw(self, typ, val=None, tb=None):
        """Raise what was thrown."""
        raise_thrown(typ, val)

    def close(self):
        """Do nothing: there is nothing to end."""


cdef class WaitedFor:
    """The base of what a Waiting can wait for."""

    cdef object outcome(self, Wanted wanted):
        """Return what is wanted, NOT_YET if it is not there; or raise."""
        raise NotImplementedError(f"{type(self).__name__} does not override outcome()")

    cdef object new_future(self):
        """Return a future of the loop that runs."""
        raise NotImplementedError(f"{type(self).__name__} does not override new_future()")

    cdef int wake_waiters(self) except -1:
        """Let everybody that waits ask for the outcome again."""
        cdef list waiters = self.waiters
        if waiters is not None:
            self.waiters = None
            for future in waiters:
                complete(future, None)
        return 0


@cython.freelist(16)
@cython.final
cdef class Waiting:
    """An awaitable that is done when its owner has the outcome; see the file header."""

    def __init__(self):
        raise TypeError("awaitables are made by receive() and send()")

    def __await__(self):
        return self

    def __iter__(self):
        return self

    def __next__(self):
        return self.send(None)

    def send(self, value):
        """Return the next object to wait for; StopIteration has the outcome."""
        cdef PyObject* result = waiting_step(self)
        if result == NULL:
            raise_pending_stop()
        return owned(result)

    def throw(self, typ, val=None, tb=None):
        """End with what was thrown, usually CancelledError."""
        waiting_leave(self)
        raise_thrown(typ, val)

    def close(self):
        """End without an outcome."""
        waiting_leave(self)


cdef PyObject* waiting_step(Waiting self) except? NULL:
    """Return a new reference to what is to be waited for; NULL with StopIteration: it is done."""
    cdef PyObject* result = NULL
    cdef SendResult outcome
    cdef object message
    if self.owner is None:
        raise RuntimeError("cannot reuse already awaited coroutine")
    while True:
        if self.future_steps is not None:
            outcome = PyIter_Send(<PyObject*>self.future_steps, Py_None, &result)
            if outcome == PYGEN_NEXT:
                return result
            self.future = self.future_steps = None
            if outcome == PYGEN_ERROR:
                self.owner = None
                return NULL
            Py_DECREF(<object>result)
        try:
            message = self.owner.outcome(self.wanted)
        except BaseException:
            self.owner = None
            raise
        if message is not NOT_YET:
            self.owner = None
            PyErr_SetObject(STOP_ITERATION, <PyObject*>message)
            return NULL
        future = self.owner.new_future()
        if self.owner.waiters is None:
            self.owner.waiters = []
        self.owner.waiters.append(future)
        self.future = future
        self.future_steps = future.__await__()


cdef int waiting_leave(Waiting self) except -1:
    """Wait no longer, and leave no future behind: a client that is polled would get many."""
    cdef list waiters = None if self.owner is None else self.owner.waiters
    if waiters is not None and self.future in waiters:
        waiters.remove(self.future)
    self.owner = self.future = self.future_steps = None
    return 0


cdef int raise_pending_stop() except -1:
    """Turn the interpreter's pending exception into one that rises."""
    return -1


cdef int raise_thrown(typ, val) except -1:
    """Raise what throw() was called with: an exception, or its type and argument."""
    if isinstance(typ, BaseException):
        raise typ
    if isinstance(val, BaseException):
        raise val
    raise typ() if val is None else typ(val)


cdef PyObject* completed_next(PyObject* self) noexcept:
    """Have nothing to wait for (the tp_iternext of Completed)."""
    return NULL


cdef PyObject* waiting_next(PyObject* self) noexcept:
    """Do what send(None) does (the tp_iternext of Waiting)."""
    return (<Step>waiting_step)(<Waiting>self)


cdef Waiting waiting_new(WaitedFor owner, Wanted wanted):
    """Return an awaitable for what is wanted of its owner."""
    cdef Waiting waiting = Waiting.__new__(Waiting)
    waiting.owner = owner
    waiting.wanted = wanted
    return waiting


(<IteratorSlots*>Completed).tp_iternext = completed_next
(<IteratorSlots*>Waiting).tp_iternext = waiting_next
collections.abc.Coroutine.register(Completed)
collections.abc.Coroutine.register(Waiting)
COMPLETED = Completed.__new__(Completed)
