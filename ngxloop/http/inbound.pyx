# cython: nonecheck=True
"""Inbound: what a request brings its application: the body, and the news that the client left.

Rules. receive() is done at once if any of the body is here, or its end; it never waits for more
than it needs. Then it waits for http.disconnect, which comes when the answer is complete or the
client leaves. A client that ends its half behind a whole body has sent a request all the same: the
body is delivered first.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize
from cpython.dict cimport PyDict_Copy

from ngxloop.http.awaitables cimport NOT_YET, WANT_MESSAGE, WaitedFor, Wanted, waiting_new

# What the messages of receive() are copies of.
cdef dict MESSAGE = {"type": "http.request", "body": b"", "more_body": True}
cdef dict LAST_MESSAGE = {"type": "http.request", "body": b"", "more_body": False}


cdef class Inbound(WaitedFor):
    """The receiving half of a request; see the file header."""

    def receive(self):
        """Return an awaitable for the next message: ASGI's receive()."""
        return waiting_new(self, WANT_MESSAGE)

    cdef object outcome(self, Wanted wanted):
        return self.message()

    cdef object new_future(self):
        return self.link.loop.create_future()

    cdef int add_piece(self, const char* data, Py_ssize_t size) except -1:
        """Keep a piece of the body, which is copied."""
        cdef bytes piece = PyBytes_FromStringAndSize(data, size)
        if self.piece_bytes == 0:
            self.piece = piece
        elif self.pieces is None:
            self.pieces = [self.piece, piece]
        else:
            self.pieces.append(piece)
        self.piece_bytes += size
        return 0

    cdef int drop_pieces(self) except -1:
        """Forget what was received and not taken."""
        self.piece = None
        self.pieces = None
        self.piece_bytes = 0
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
        cdef dict message = PyDict_Copy(LAST_MESSAGE if self.body_ended else MESSAGE)
        if self.piece_bytes:
            message["body"] = self.piece if self.pieces is None else b"".join(self.pieces)
            self.drop_pieces()
        if self.body_ended:
            self.end_taken = True
        else:
            self.link.body_taken()
        return message
