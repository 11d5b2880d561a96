# cython: nonecheck=True
"""TlsEngine: one end of a TLS connection, without a socket.

Ciphertext goes in (feed, decrypt) and comes out (encrypt, take_output); plaintext goes in (write)
and comes out (decrypt, read_into). Between the two is an ssl.SSLObject: the base class, TlsObject.

How it works. The expensive part is the SSLWantReadError, so OpenSSL is only called when there is a
whole record (TlsRecords). Ciphertext is fed, and plaintext encrypted, in slices: the memory of a
BIO never shrinks. What is written waits in the backlog, so that several small writes become one
record. The engine does not know protocols, loops or time-outs: it keeps the state, and its driver,
TlsLayer, decides when to go to the next.

asyncio calls SSLObject.read(n) until it raises, which allocates n bytes each time. We read small
messages into a buffer that all connections of a loop share, and copy; large ones straight into one
bytes object. What is left is the price of the BIOs: they clear the memory that they copy into, so
a message of 100 KiB, echoed, is copied six times and cleared twice, where OpenSSL alone copies four
times (callgrind, OpenSSL 3.0).
"""

cimport cython
from cpython.bytes cimport PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.object cimport PyObject

import ssl

from ngxloop.core.limits cimport (
    TLS_JOIN_BYTES,
    TLS_PLAIN_BYTES,
    TLS_RECORD_BYTES_MAX,
    TLS_SLICE_BYTES,
)
from ngxloop.core.unchecked cimport discard, owned
from ngxloop.transports.outbuf cimport OutBuffer
from ngxloop.transports.tlsmemory cimport TlsMemory
from ngxloop.transports.tlsobject cimport WANTS_MORE, TlsObject
from ngxloop.transports.tlsrecords cimport TlsRecords

cdef extern from "Python.h":
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


@cython.final
cdef class TlsEngine(TlsObject):
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
        self.records = TlsRecords.__new__(TlsRecords)
        self.wrap(memory, sslcontext, server_side, server_hostname)

    @property
    def state_name(self):
        """The state, as TRANSITIONS names it."""
        return STATE_NAMES[<int>self.state]

    cdef int move(self, TlsState state) except -1:
        """Go to another state; closed can be reached from every state, again and again."""
        before, after = STATE_NAMES[<int>self.state], STATE_NAMES[<int>state]
        if after not in TRANSITIONS[before] and state != TLS_CLOSED:
            raise RuntimeError(f"cannot switch state from {before} to {after}")
        self.state = state
        return 0

    # ---- received ciphertext

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

        They end with a record where that is possible: a rest would be moved by the next feed.
        """
        size = self.records.add(data, size)
        self.put_ciphertext(data, size)
        self.needs_input = False
        return size

    cdef bint readable(self) except -1:
        """Return whether it is worth calling OpenSSL for plaintext."""
        if self.peer_closed or self.failure is not None:
            return False
        if self.read_truncated:
            self.read_truncated = self.ssl_object.pending() > 0
            if self.read_truncated:
                return True
            if self.records.count:
                self.records.count -= 1
        if self.records.opaque:
            return not self.needs_input
        return self.records.count > 0

    cdef int wants_more(self) noexcept:
        """OpenSSL has used up every whole record."""
        self.needs_input = True
        self.read_truncated = False
        self.records.count = 0
        return 0

    # ---- beginning and end

    cdef bint handshake(self) except -1:
        """Continue the handshake; return whether it is done.

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
        """Send our close_notify, and read the peer's; return whether both are done.

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

        An exception after something was read is kept in failure, which the caller must check.
        """
        cdef bint acquired = self.acquire(True)
        try:
            if size <= TLS_SLICE_BYTES and not self.may_have_plaintext():
                return self.decrypt_slice(data, size)
            return self.decrypt_several(data, size)
        finally:
            if acquired:
                self.release()

    cdef bint may_have_plaintext(self) noexcept:
        """Return whether there may be more to read than what is fed next."""
        return self.records.count > 0 or self.records.opaque or self.read_truncated

    cdef bytes decrypt_slice(self, const char* data, Py_ssize_t size):
        """Decrypt no more than a slice, and the part of a record that was fed before."""
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
        """Decrypt all there is, into an object that is cut to its size afterwards."""
        # Plaintext is never longer than ciphertext. One record more: OpenSSL may have taken the
        # beginning of one from the BIO already, or not returned the end of one. What did not fit
        # would wait until the peer sends again.
        cdef Py_ssize_t room = size + self.unread_bytes() + TLS_RECORD_BYTES_MAX
        cdef PyObject* plain = new_bytes(NULL, room)
        cdef Py_ssize_t count
        try:
            count = self.feed_and_read(data, size, bytes_content(plain), room)
        except BaseException:
            discard(plain)
            raise
        if count < room:
            _PyBytes_Resize(&plain, count)
        result = <bytes>owned(plain)
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
                self.failure = exc  # raised after what was read before it
                break
            if count < 0:
                self.wants_more()
            elif count == 0:
                self.peer_closed = True
            else:
                total += count
                self.read_truncated = total == size
                if not self.read_truncated and self.records.count:
                    self.records.count -= 1  # a read ends with its record
        return total

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
        """Encrypt about TLS_SLICE_BYTES of the backlog; return whether to call again at once.

        A renegotiation may have to end before anything can be written: that is not an error.
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
        cdef Py_ssize_t count
        _head = backlog.head  # a callback of OpenSSL's may drop the backlog meanwhile
        plain = self.next_plaintext(memory)
        memory.lent = True
        try:
            count = self.write_once(plain)
        finally:
            memory.lent = False
        if count < 0:
            return -1
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
