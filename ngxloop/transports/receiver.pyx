"""Receiver: a protocol that takes a stream's bytes without a Python frame in between.

Rules. A stream whose protocol is a Receiver receives into its loop's buffer and calls receive()
with that memory, inside the connection's context; it is valid until receive() returns or runs code
that may turn the loop. A TLS connection calls it with what was decrypted. An exception ends the
connection. Everything else (connection_made, eof_received, connection_lost, flow control) is rare,
and is called as for any other protocol; what no other protocol has is peer_left().
"""

from ngxloop.core.timed cimport Timed


cdef class Receiver(Timed):
    """The base of what a stream can feed directly."""

    cdef int receive(self, const char* data, Py_ssize_t size) except -1:
        """Take what was received; size is never 0."""
        raise NotImplementedError(f"{type(self).__name__} does not override receive()")

    cdef int peer_left(self) except -1:
        """The peer has ended or reset the connection while reading is paused.

        Called once. What was received before the end is not read; eof_received() follows it, or
        connection_lost(), once reading is resumed. Model: ngx_http_test_reading.
        """
        return 0
