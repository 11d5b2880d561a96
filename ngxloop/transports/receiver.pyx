"""Receiver: a protocol that takes a stream's bytes without a Python frame in between.

Rules. A stream whose protocol is a Receiver receives into its loop's buffer and calls receive()
with that memory, inside the connection's context; it is valid until receive() returns. An exception
ends the connection. Everything else (connection_made, eof_received, connection_lost, flow control)
is rare, and is called as for any other protocol.
"""


cdef class Receiver:
    """The base of what a stream can feed directly."""

    cdef int receive(self, const char* data, Py_ssize_t size) except -1:
        """Take what was received; size is never 0."""
        raise NotImplementedError(f"{type(self).__name__} does not override receive()")
