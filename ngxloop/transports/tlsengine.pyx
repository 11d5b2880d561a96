# cython: nonecheck=True
"""TlsEngine: one end of a TLS connection, without a socket.

Ciphertext goes in (feed, decrypt) and comes out (encrypt, take_output); plaintext goes in (write)
and comes out (decrypt, read_into). Between the two is an ssl.SSLObject on two ssl.MemoryBIOs: the
public interface of Python's ssl module, and so the OpenSSL and the contexts that the program uses.

How it works. What is expensive there is the SSLWantReadError, so OpenSSL is only asked when a whole
record is there (TlsRecords). Ciphertext is fed, and plaintext encrypted, in slices: the memory of a
BIO never shrinks. What is written waits in the backlog, so that several small writes become one
record. Nothing here knows a protocol, a loop or a time-out: the states are kept here, and whoever
drives the engine moves it.

Threads. The ssl module gives up the GIL inside OpenSSL, before Python 3.14 without a lock, and a
write() may come from any thread. So one thread at a time uses an engine: acquire(), release(). A
thread that only has something to encrypt need not wait: the one that has the engine flushes when it
is done. TlsMemory.lent protects what is joined or decrypted in the loop's memory.

asyncio calls SSLObject.read(n) until it raises, which allocates n bytes each time. We read small
messages into a buffer that all connections of a loop share, and copy; large ones straight into one
bytes object. What is left is the price of the BIOs: they clear the memory that they copy into, so
a message of 100 KiB, echoed, is copied six times and cleared twice, where OpenSSL alone copies four
times (callgrind, OpenSSL 3.0).
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
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
from cpython.ref cimport Py_DECREF

import ssl
import types

from ngxloop.core.handle cimport raise_pending
from ngxloop.core.limits cimport (
    TLS_JOIN_BYTES,
    TLS_PLAIN_BYTES,
    TLS_RECORD_BYTES_MAX,
    TLS_SLICE_BYTES,
)
from ngxloop.transports.outbuf cimport OutBuffer
from ngxloop.transports.tlsmemory cimport TlsMemory
from ngxloop.transports.tlsrecords cimport TlsRecords

# Declared here without Cython's error checks: what is raised is looked at where it happens.
cdef extern from "Python.h":
    PyObject* PyObject_Call(object callable, object args, PyObject* kwargs)
    PyObject* PyObject_CallNoArgs(object callable)
    PyObject* PyObject_CallOneArg(object callable, object arg)
    char* PyBytes_AS_STRING(object data)
    int _PyBytes_Resize(PyObject** data, Py_ssize_t size) except -1
    PyObject* new_bytes "PyBytes_FromStringAndSize"(char* content, Py_ssize_t size) except NULL
    char* bytes_content "PyBytes_AS_STRING"(PyObject* data)

# From which state the engine may go to which others. asyncio's names for them: UNWRAPPED is "new"
# before the handshake and "closed" after the end.
TRANSITIONS = {
    "new": ("handshake", "closed"),
    "handshake": ("wrapped", "closed"),
    "wrapped": ("flushing", "closed"),   # flushing: our end was closed, or the peer's has ended
    "flushing": ("shutdown", "closed"),  # shutdown: our close_notify is out, we wait for the peer's
    "shutdown": ("closed",),
    "closed": (),
}
cdef tuple STATE_NAMES = tuple(TRANSITIONS)  # in the order of enum TlsState

# What OpenSSL says when it wants more ciphertext; asyncio takes the second for the same.
cdef tuple WANTS_MORE = (ssl.SSLWantReadError, ssl.SSLSyscallError)

# The owner of an engine that has been handed to a waiter which does not run yet.
cdef enum:
    NEXT_WAITER = 1

cdef object PYTHON_READ = ssl.SSLObject.read
cdef object PYTHON_WRITE = ssl.SSLObject.write
cdef type PYTHON_METHOD = types.MethodType


@cython.final
cdef class TlsEngine:
    """One end of a TLS connection; see the file header."""

    def __init__(
        self, TlsMemory memory not None, sslcontext, bint server_side=False, server_hostname=None
    ):
        """Make the SSLObject; nothing is sent before handshake().

        Raises:
            ValueError, ssl.SSLError: what SSLContext.wrap_bio() raises.
        """
        if self.ssl_object is not None:
            raise RuntimeError("TlsEngine.__init__() called twice")
        self.memory = memory
        self.records = TlsRecords.__new__(TlsRecords)
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
            self.memory = TlsMemory()  # its Python code may let another thread in

    def __dealloc__(self):
        if self.handover != NULL:
            PyThread_free_lock(self.handover)

    @property
    def state_name(self):
        """The state, as TRANSITIONS names it."""
        return STATE_NAMES[<int>self.state]

    cdef int move(self, TlsState state) except -1:
        """Go to another state; closed may be gone to from anywhere, again and again."""
        before, after = STATE_NAMES[<int>self.state], STATE_NAMES[<int>state]
        if after not in TRANSITIONS[before] and state != TLS_CLOSED:
            raise RuntimeError(f"cannot switch state from {before} to {after}")
        self.state = state
        return 0

    # ---- one thread at a time

    cdef bint acquire(self, bint wait) except -1:
        """Take the engine for this thread, until release().

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

    cdef void release(self) noexcept:
        """Give the engine back, or to a thread that waits for it."""
        self.owner = 0
        if self.waiter_count:
            self.waiter_count -= 1
            self.owner = NEXT_WAITER
            PyThread_release_lock(self.handover)

    # ---- ciphertext that came

    cdef int feed(self, const char* data, Py_ssize_t size) except -1:
        """Keep ciphertext until OpenSSL reads it; data is copied."""
        cdef Py_ssize_t step
        cdef bint acquired = self.acquire(True)
        try:
            while size:
                step = self.feed_slice(data, size)
                data += step
                size -= step
        finally:
            if acquired:
                self.release()
        return 0

    cdef Py_ssize_t feed_slice(self, const char* data, Py_ssize_t size) except -1:
        """Keep the first bytes, about TLS_SLICE_BYTES; return how many.

        They end with a record where that is possible: a rest would be moved when the next comes.
        """
        cdef PyObject* result
        size = self.records.add(data, size)
        self.memory.window.show(data, size)
        result = PyObject_CallOneArg(self.incoming_write, self.memory.window)
        if result == NULL:
            return -1
        Py_DECREF(<object>result)
        self.dry = False
        return size

    cdef bint readable(self) except -1:
        """Return whether it is worth asking OpenSSL."""
        if self.peer_closed or self.failure is not None:
            return False
        if self.cut:
            self.cut = self.ssl_object.pending() > 0
            if self.cut:
                return True
            if self.records.count:
                self.records.count -= 1
        if self.records.opaque:
            return not self.dry
        return self.records.count > 0

    cdef int wants_more(self) noexcept:
        """OpenSSL has used up every whole record."""
        self.dry = True
        self.cut = False
        self.records.count = 0
        return 0

    # ---- beginning and end

    cdef bint handshake(self) except -1:
        """Go on with the handshake; return whether it is done.

        Raises:
            ssl.SSLError: it has failed; an alert for the peer may be in take_output().
        """
        cdef bint acquired = self.acquire(True)
        try:
            self.ssl_object.do_handshake()
        except WANTS_MORE:
            self.wants_more()
            return False
        finally:
            if acquired:
                self.release()
        if self.unread_bytes() == 0:
            self.wants_more()
        return True

    cdef bint unwrap(self) except -1:
        """Send our close_notify, and look for the peer's; return whether both are there.

        Raises:
            ssl.SSLError: the peer sends other things.
        """
        cdef bint acquired = self.acquire(True)
        try:
            self.ssl_object.unwrap()
        except WANTS_MORE:
            self.wants_more()
            return False
        finally:
            if acquired:
                self.release()
        return True

    # ---- reading

    cdef bytes decrypt(self, const char* data, Py_ssize_t size):
        """Feed ciphertext and return all plaintext there is; None if there is none.

        What is raised after something was read is kept in failure, which the caller must look at.
        """
        cdef bint acquired = self.acquire(True)
        try:
            if size > TLS_SLICE_BYTES or self.records.count or self.records.opaque or self.cut:
                return self.decrypt_several(data, size)
            return self.decrypt_slice(data, size)
        finally:
            if acquired:
                self.release()

    cdef bytes decrypt_slice(self, const char* data, Py_ssize_t size):
        """Decrypt no more than a slice, and the part of a record that came before."""
        cdef TlsMemory memory = self.free_memory()
        cdef char* plain = memory.plain()
        cdef Py_ssize_t count
        memory.lent = True
        try:
            count = self.feed_and_read(data, size, plain, TLS_PLAIN_BYTES)
            return PyBytes_FromStringAndSize(plain, count) if count else None
        finally:
            memory.lent = False

    cdef TlsMemory free_memory(self):
        """Return the loop's memory; new memory while another thread uses that."""
        return TlsMemory() if self.memory.lent else self.memory

    cdef bytes decrypt_several(self, const char* data, Py_ssize_t size):
        """Decrypt however much there is, into an object that is cut to its size afterwards."""
        # Ciphertext is never the shorter. One record more: OpenSSL may have taken the beginning of
        # one from the BIO already, or not handed out the end of one. What did not fit would wait
        # for the peer to send again.
        cdef Py_ssize_t room = size + self.unread_bytes() + TLS_RECORD_BYTES_MAX
        cdef PyObject* plain = new_bytes(NULL, room)
        cdef Py_ssize_t count
        try:
            count = self.feed_and_read(data, size, bytes_content(plain), room)
        except BaseException:
            Py_DECREF(<object>plain)
            raise
        if count < room:
            _PyBytes_Resize(&plain, count)
        result = <bytes>plain
        Py_DECREF(result)  # the reference new_bytes() gave us; the variable has its own
        return result if count else None

    cdef Py_ssize_t feed_and_read(
        self, const char* data, Py_ssize_t size, char* room, Py_ssize_t room_size
    ) except -1:
        """Feed ciphertext slice by slice, and read what each brings; return how much that is."""
        cdef Py_ssize_t total = 0
        cdef Py_ssize_t step
        while True:
            if size:
                step = self.feed_slice(data, size)
                data += step
                size -= step
            total = self.read_behind(room, total, room_size)
            if size == 0 or self.failure is not None or self.peer_closed:
                return total

    cdef Py_ssize_t read_into(self, char* room, Py_ssize_t size) except -1:
        """Read plaintext that was fed, as much as there is and fits; return how much that is."""
        cdef bint acquired = self.acquire(True)
        try:
            return self.read_behind(room, 0, size)
        finally:
            if acquired:
                self.release()

    cdef Py_ssize_t read_behind(self, char* room, Py_ssize_t total, Py_ssize_t size) except -1:
        """Read plaintext that was fed, as much as there is and fits, behind what room has already.

        Args:
            total: how much it has.

        Returns: how much it has then.
        """
        cdef Py_ssize_t count
        while total < size and self.readable():
            try:
                count = self.read_once(room + total, size - total)
            except ssl.SSLError as exc:
                if total == 0:
                    raise
                self.failure = exc  # after what came before it
                break
            if count < 0:
                self.wants_more()
            elif count == 0:
                self.peer_closed = True
            else:
                total += count
                self.cut = total == size
                if not self.cut and self.records.count:
                    self.records.count -= 1  # a read ends with its record
        return total

    cdef Py_ssize_t read_once(self, char* room, Py_ssize_t size) except -2:
        """Call SSLObject.read(); return -1 if it wants more, 0 for a close_notify."""
        cdef PyObject* result
        cdef Py_ssize_t count
        self.memory.window.show(room, size)
        result = PyObject_Call(self.plain_read, self.memory.read_arguments, NULL)
        if result == NULL:
            return -1 if wanted_more() else -2
        count = PyLong_AsSsize_t(<object>result)
        Py_DECREF(<object>result)
        if not 0 <= count <= size:  # a subclass of SSLObject can say anything
            raise ValueError(f"read() of {size} bytes returned {count}")
        return count

    cdef Py_ssize_t unread_bytes(self) except -1:
        """Return how much ciphertext OpenSSL has not read."""
        return self.incoming.pending

    # ---- writing

    cdef int write(self, bytes data) except -1:
        """Keep plaintext, by reference, for encrypt(); data is not empty."""
        if self.backlog is None:
            self.backlog = OutBuffer.__new__(OutBuffer)
        return self.backlog.append(data)

    cdef Py_ssize_t unencrypted_bytes(self) noexcept:
        """Return how much plaintext waits in the backlog."""
        return 0 if self.backlog is None else self.backlog.size

    cdef Py_ssize_t unsent_bytes(self) except -1:
        """Return how much waits, as plaintext and as ciphertext."""
        return self.unencrypted_bytes() + self.outgoing.pending

    cdef bytes encrypt(self):
        """Encrypt a slice of what was written; return all ciphertext there is, maybe b"".

        The caller has acquired the engine, and keeps it until the ciphertext is handed down.
        """
        if self.state == TLS_WRAPPED or self.state == TLS_FLUSHING:
            self.encrypt_slice()
        return self.take_output()

    cdef bint encrypt_slice(self) except -1:
        """Encrypt about TLS_SLICE_BYTES of the backlog; return whether to come again at once.

        A renegotiation may have to end before anything can be written: that is no error.
        """
        cdef Py_ssize_t done_bytes = 0
        cdef Py_ssize_t count
        while self.unencrypted_bytes() and done_bytes < TLS_SLICE_BYTES:
            count = self.encrypt_once()
            if count < 0:
                return False
            done_bytes += count
        return self.unencrypted_bytes() > 0

    cdef Py_ssize_t encrypt_once(self) except -2:
        """Encrypt the next chunk, or several small ones as one; return -1 if OpenSSL wants more."""
        cdef OutBuffer backlog = self.backlog
        cdef TlsMemory memory = self.free_memory()
        cdef PyObject* result
        cdef Py_ssize_t count
        _head = backlog.head  # a callback of OpenSSL's may drop the backlog meanwhile
        plain = self.next_plaintext(memory)
        memory.lent = True
        result = PyObject_CallOneArg(self.plain_write, plain)
        memory.lent = False
        if result == NULL:
            return -1 if wanted_more() else -2
        count = PyLong_AsSsize_t(<object>result)
        Py_DECREF(<object>result)
        if count == backlog.size:
            backlog.clear()
        elif count < backlog.size:
            backlog.consume(count)
        return count

    cdef object next_plaintext(self, TlsMemory memory):
        """Return the bytes to encrypt next, as an object with a buffer."""
        cdef OutBuffer backlog = self.backlog
        cdef Py_ssize_t size = PyBytes_GET_SIZE(backlog.head) - backlog.offset
        if size < TLS_JOIN_BYTES and backlog.rest is not None:
            size = backlog.copy_first(memory.plain(), TLS_JOIN_BYTES)
            memory.window.show(memory.plain(), size)
        elif backlog.offset == 0 and size <= TLS_SLICE_BYTES:
            return backlog.head
        else:
            size = min(size, TLS_SLICE_BYTES)
            memory.window.show(PyBytes_AS_STRING(backlog.head) + backlog.offset, size)
        return memory.window

    cdef bytes take_output(self):
        """Return the ciphertext for the peer; b"" if there is none."""
        cdef PyObject* result = PyObject_CallNoArgs(self.outgoing_read)
        if result == NULL:
            raise_pending()
        data = <bytes>result
        Py_DECREF(data)
        return data

    cdef int drop_output(self) except -1:
        """Forget what was written and what is encrypted."""
        cdef bint acquired = self.acquire(True)
        try:
            if self.backlog is not None:
                self.backlog.clear()
            self.take_output()
        finally:
            if acquired:
                self.release()
        return 0


cdef object compiled_method(ssl_object, str name, python_method):
    """Return a method of an SSLObject, without the Python function around it if that is ssl's own.

    SSLObject.read() and write() do nothing but call the object they wrap; subclasses may do more.
    """
    wrapped = getattr(ssl_object, "_sslobj", None)
    if wrapped is None or getattr(type(ssl_object), name, None) is not python_method:
        return getattr(ssl_object, name)
    return getattr(wrapped, name)


cdef bint wanted_more() noexcept:
    """Tell whether the pending exception is one of WANTS_MORE, which ends it."""
    if not PyErr_ExceptionMatches(WANTS_MORE):
        return False
    PyErr_Clear()
    return True
