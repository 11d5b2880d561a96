# cython: nonecheck=True
"""TlsObject: an ssl.SSLObject between two memory BIOs, used by one thread at a time.

The BIOs and the SSLObject are the public interface of Python's ssl module, and so use the OpenSSL
and the contexts that the program uses. Every call of OpenSSL's is here, but for the handshake and
the shutdown, and calls ssl's C functions without the Python functions around them.

Threads. The ssl module gives up the GIL inside OpenSSL, before Python 3.14 without a lock, and a
write() may come from any thread. So one thread at a time uses an object: acquire(), release(). A
thread that only has something to encrypt need not wait: the one that has the object flushes when it
is done. TlsMemory.lent protects what is joined or decrypted in the loop's memory.
"""

cimport cython
from cpython.exc cimport PyErr_Clear, PyErr_ExceptionMatches
from cpython.long cimport PyLong_AsSsize_t
from cpython.object cimport PyObject
from cpython.pythread cimport (
    PyThread_acquire_lock,
    PyThread_allocate_lock,
    PyThread_free_lock,
    PyThread_get_thread_ident,
    PyThread_release_lock,
    WAIT_LOCK,
)

import ssl
import types

from ngxloop.core.handle cimport raise_pending
from ngxloop.core.unchecked cimport (
    PyObject_Call,
    PyObject_CallNoArgs,
    PyObject_CallOneArg,
    discard,
    owned,
)
from ngxloop.transports.tlsmemory cimport TlsMemory

# What OpenSSL raises when it wants more ciphertext; asyncio takes the second for the same.
cdef tuple WANTS_MORE = (ssl.SSLWantReadError, ssl.SSLSyscallError)

# The owner of an object that has been handed to a waiter which does not run yet.
cdef enum:
    NEXT_WAITER = 1

cdef object PYTHON_READ = ssl.SSLObject.read
cdef object PYTHON_WRITE = ssl.SSLObject.write
cdef type PYTHON_METHOD = types.MethodType


def calls_directly() -> bool:
    """Return whether ssl's C functions are called without the Python functions around them."""
    return (
        only_calls(PYTHON_READ, "read")
        and only_calls(PYTHON_WRITE, "write")
        and ssl.SSLObject.read is PYTHON_READ
        and ssl.SSLObject.write is PYTHON_WRITE
    )


cdef bint only_calls(function, str name) except -1:
    """Return whether a method uses nothing but this method of the object that is wrapped."""
    code = getattr(function, "__code__", None)
    return code is not None and code.co_names == ("_sslobj", name)


cdef bint KNOWN = only_calls(PYTHON_READ, "read") and only_calls(PYTHON_WRITE, "write")


cdef class TlsObject:
    """The base of TlsEngine; see the file header."""

    @cython.final
    cdef int wrap(
        self, TlsMemory memory, sslcontext, bint server_side, server_hostname
    ) except -1:
        """Make the SSLObject."""
        self.memory = memory
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.ssl_object = sslcontext.wrap_bio(
            self.incoming, self.outgoing, server_side=server_side, server_hostname=server_hostname
        )
        self.plain_read = compiled_method(self.ssl_object, "read", PYTHON_READ)
        self.plain_write = compiled_method(self.ssl_object, "write", PYTHON_WRITE)
        self.incoming_write = self.incoming.write
        self.outgoing_read = self.outgoing.read
        if PYTHON_METHOD in (type(self.plain_read), type(self.plain_write)):
            self.memory = TlsMemory()  # its Python code may let another thread run
        return 0

    def __dealloc__(self):
        if self.handover != NULL:
            PyThread_free_lock(self.handover)

    # ---- one thread at a time

    @cython.final
    cdef bint acquire(self, bint wait) except -1:
        """Take the object for this thread, until release().

        Args:
            wait: for another thread that has it.

        Returns:
            False if it is not taken: this thread has it already, in a callback of OpenSSL's or a
            signal handler, or another one has it and wait is False.
        """
        cdef unsigned long thread = PyThread_get_thread_ident()
        if self.owner == 0:
            self.owner = thread
            return True
        if self.owner == thread or not wait:
            return False
        self.wait_for_handover()
        self.owner = thread
        return True

    @cython.final
    cdef int wait_for_handover(self) except -1:
        if self.handover == NULL:
            self.handover = PyThread_allocate_lock()
            if self.handover == NULL:
                raise MemoryError("no memory for a lock")
            PyThread_acquire_lock(self.handover, WAIT_LOCK)  # free: it is new
        self.waiter_count += 1
        with nogil:
            PyThread_acquire_lock(self.handover, WAIT_LOCK)
        return 0

    @cython.final
    cdef void release(self) noexcept:
        """Give the object back, or to a thread that waits for it."""
        self.owner = 0
        if self.waiter_count:
            self.waiter_count -= 1
            self.owner = NEXT_WAITER
            PyThread_release_lock(self.handover)

    # ---- calls of OpenSSL

    @cython.final
    cdef int put_ciphertext(self, const char* data, Py_ssize_t size) except -1:
        """Put ciphertext into the incoming BIO, which copies it."""
        cdef PyObject* result
        self.memory.window.show(data, size)
        result = PyObject_CallOneArg(self.incoming_write, self.memory.window)
        if result == NULL:
            return -1
        discard(result)
        return 0

    @cython.final
    cdef Py_ssize_t unread_bytes(self) except -1:
        """Return how much ciphertext OpenSSL has not read."""
        return self.incoming.pending

    @cython.final
    cdef Py_ssize_t read_once(self, char* room, Py_ssize_t size) except -2:
        """Call SSLObject.read(); return -1 if it wants more, 0 for a close_notify."""
        cdef PyObject* result
        cdef Py_ssize_t count
        self.memory.window.show(room, size)
        result = PyObject_Call(self.plain_read, self.memory.read_arguments, NULL)
        if result == NULL:
            return -1 if wanted_more() else -2
        count = PyLong_AsSsize_t(<object>result)
        discard(result)
        if not 0 <= count <= size:  # a subclass of SSLObject can say anything
            raise ValueError(f"read() of {size} bytes returned {count}")
        return count

    @cython.final
    cdef Py_ssize_t write_once(self, plain) except -2:
        """Call SSLObject.write(); return how many bytes it has taken, -1 if it wants more."""
        cdef PyObject* result = PyObject_CallOneArg(self.plain_write, plain)
        cdef Py_ssize_t count
        if result == NULL:
            return -1 if wanted_more() else -2
        count = PyLong_AsSsize_t(<object>result)
        discard(result)
        return count

    @cython.final
    cdef bytes take_output(self):
        """Return the ciphertext for the peer; b"" if there is none."""
        cdef PyObject* result = PyObject_CallNoArgs(self.outgoing_read)
        if result == NULL:
            raise_pending()
        return <bytes>owned(result)


cdef object compiled_method(ssl_object, str name, python_method):
    """Return a method of an SSLObject, without the Python function around it if that is ssl's own.

    SSLObject.read() and write() do nothing but call the object they wrap; subclasses may do more,
    and so may another version of Python.
    """
    wrapped = getattr(ssl_object, "_sslobj", None)
    if (
        wrapped is None
        or not KNOWN
        or getattr(type(ssl_object), name, None) is not python_method
    ):
        return getattr(ssl_object, name)
    return getattr(wrapped, name)


cdef bint wanted_more() noexcept:
    """Clear the pending exception if it is one of WANTS_MORE; return whether it was."""
    if not PyErr_ExceptionMatches(WANTS_MORE):
        return False
    PyErr_Clear()
    return True
