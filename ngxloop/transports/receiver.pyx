"""Receiver: a protocol that takes a stream's bytes without Python in between.

Rules. A stream whose protocol is a Receiver receives into its loop's buffer and calls receive()
with that memory, inside the connection's context; the bytes are gone when receive() returns. What
it raises ends the connection. All else (connection_made, eof_received, connection_lost, flow
control) is seldom, and reaches a Receiver as it reaches any other protocol.
"""


cdef class Receiver:
    """The base of what a stream can feed directly."""

    cdef int receive(self, const char* data, Py_ssize_t size) except -1:
        """Take what has come; size is never 0."""
        raise NotImplementedError(f"{type(self).__name__} does not override receive()")
