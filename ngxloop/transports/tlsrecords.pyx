"""TlsRecords: how many whole records a stretch of ciphertext brings.

Calling OpenSSL for plaintext without a whole record raises an SSLWantReadError, which costs more
than decrypting a small record. The first five bytes of a record hold its length (RFC 8446 5.1:
type, version, length), so reading those shows when the call is worthwhile.

Rules. The count is never too small; it is too large by records without plaintext (session tickets,
key updates), and then the call costs the exception. What does not look like TLS is opaque: OpenSSL
is always called, so that the error is its own.
"""

cimport cython
from libc.string cimport memcpy

from ngxloop.core.limits cimport TLS_RECORD_BYTES_MAX, TLS_SLICE_BYTES

# RFC 8446 5.1, RFC 6520: change_cipher_spec 20, alert, handshake, application_data, heartbeat 24.
cdef enum:
    FIRST_TYPE = 20
    LAST_TYPE = 24
    MAJOR_VERSION = 3
    HEADER_BYTES = 5


@cython.final
@cython.no_gc
cdef class TlsRecords:
    """The records of one direction; see the file header."""

    cdef Py_ssize_t add(self, const char* data, Py_ssize_t size) noexcept:
        """Count the records that end in the next bytes; return how many bytes that were.

        It continues to the end of the record that makes TLS_SLICE_BYTES full, or of the data.
        """
        cdef Py_ssize_t taken = 0
        cdef Py_ssize_t step
        while taken < min(size, TLS_SLICE_BYTES) and not self.opaque:
            if self.missing:
                step = min(self.missing, size - taken)
                self.missing -= step
            else:
                step = self.add_header(data + taken, size - taken)
            taken += step
            if self.missing == 0 and self.header_size == 0:
                self.count += 1
        return max(taken, min(size, TLS_SLICE_BYTES))

    cdef Py_ssize_t add_header(self, const char* data, Py_ssize_t size) noexcept:
        """Read a header, or the part of it that is there; return how many bytes that was."""
        cdef Py_ssize_t step = min(HEADER_BYTES - self.header_size, size)
        memcpy(&self.header[self.header_size], data, step)
        self.header_size += step
        if self.header_size < HEADER_BYTES:
            return step
        self.header_size = 0
        self.missing = (self.header[3] << 8) | self.header[4]
        if (
            not FIRST_TYPE <= self.header[0] <= LAST_TYPE
            or self.header[1] != MAJOR_VERSION
            or self.missing > TLS_RECORD_BYTES_MAX
        ):
            self.opaque = True
        return step
