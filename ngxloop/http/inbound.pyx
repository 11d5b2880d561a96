# cython: nonecheck=True
"""Inbound: what a request brings its application: the body, and the news that the client left.

Rules. receive() is done at once if any of the body is here, or its end; it never waits for more
than it needs. Then it waits for http.disconnect, which comes when the answer is complete or the
client leaves. A client that ends its half behind a whole body has sent a request all the same: the
body is delivered first.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize

from ngxloop.http.awaitables cimport NOT_YET, WANT_MESSAGE, WaitedFor, BindRequest, waiting_new


cdef class Inbound(WaitedFor):
    """The receiving half of a request; see the file header."""

    def receive(self):
        """Return an awaitable for the next message: ASGI's receive()."""
        return waiting_new(self, WANT_MESSAGE)

    cdef object outcome(self, BindRequest wanted):
        return self.message()

    cdef object new_future(self):
        return self.link.loop.create_future()

    cdef int add_piece(self, const char* data, Py_ssize_t size) except -1:
        """Keep a piece of the body, which is copied."""
        if self.pieces is None:
            self.pieces = []
        self.pieces.append(PyBytes_FromStringAndSize(data, size))
        self.piece_bytes += size
        return 0

    cdef object message(self):
        """Return the next message; NOT_YET if there is none."""
        cdef bint has_body = self.piece_bytes > 0 or (self.body_ended and not self.end_taken)
        if not self.over and has_body:
            return self.take_body()
        if self.over or self.link.left:
            return {"type": "http.disconnect"}
        if self.awaits_continue:
            self.awaits_continue = False
            self.link.continue_body()
        return NOT_YET

    cdef object take_body(self):
        """Return all of the body that is here as a message, and let more come."""
        cdef list pieces = self.pieces
        cdef object body = b""
        if pieces is not None:
            body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            self.pieces = None
            self.piece_bytes = 0
        if self.body_ended:
            self.end_taken = True
        else:
            self.link.body_taken()
        return {"type": "http.request", "body": body, "more_body": not self.body_ended}
