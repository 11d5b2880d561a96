"""TlsEngine: one end of a TLS connection, without a socket."""

from ngxloop.transports.outbuf cimport OutBuffer
from ngxloop.transports.tlsmemory cimport TlsMemory
from ngxloop.transports.tlsobject cimport TlsObject
from ngxloop.transports.tlsrecords cimport TlsRecords

# See TRANSITIONS in tlsengine.pyx.
cdef enum TlsState:
    TLS_NEW = 0
    TLS_HANDSHAKE
    TLS_WRAPPED
    TLS_FLUSHING
    TLS_SHUTDOWN
    TLS_CLOSED

cdef class TlsEngine(TlsObject):
    cdef TlsRecords records          # of incoming
    cdef OutBuffer backlog           # plaintext that is not encrypted yet; None until there is some
    cdef object failure              # what reading raised after it had brought something, or None
    cdef TlsState state
    cdef bint peer_closed            # the peer's close_notify was read
    cdef bint needs_input            # OpenSSL wants more, and nothing has been fed since
    cdef bint read_truncated         # the last read filled its room: the record may have more

    cdef int move(self, TlsState state) except -1
    cdef int feed(self, const char* data, Py_ssize_t size) except -1
    cdef Py_ssize_t feed_slice(self, const char* data, Py_ssize_t size) except -1
    cdef bint readable(self) except -1
    cdef int wants_more(self) noexcept
    cdef bint handshake(self) except -1
    cdef bint unwrap(self) except -1
    cdef bytes decrypt(self, const char* data, Py_ssize_t size)
    cdef bint may_have_plaintext(self) noexcept
    cdef bytes decrypt_slice(self, const char* data, Py_ssize_t size)
    cdef bytes decrypt_several(self, const char* data, Py_ssize_t size)
    cdef Py_ssize_t feed_and_read(
        self, const char* data, Py_ssize_t size, char* room, Py_ssize_t room_size
    ) except -1
    cdef Py_ssize_t read_into(self, char* room, Py_ssize_t size) except -1
    cdef Py_ssize_t read_behind(self, char* room, Py_ssize_t total, Py_ssize_t size) except -1
    cdef int write(self, bytes data) except -1
    cdef Py_ssize_t unencrypted_bytes(self) noexcept
    cdef Py_ssize_t unsent_bytes(self) except -1
    cdef bytes encrypt(self)
    cdef bint encrypt_slice(self) except -1
    cdef Py_ssize_t encrypt_once(self) except -2
    cdef object next_plaintext(self, TlsMemory memory)
    cdef TlsMemory free_memory(self)
    cdef int drop_output(self) except -1
