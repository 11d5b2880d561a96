"""An output buffer, and what is in it."""

from ngxloop.transports.outbuf cimport SEND_BLOCKED, SEND_FAILED, SENT_ALL, OutBuffer

NAMES = {SENT_ALL: "all", SEND_BLOCKED: "blocked", SEND_FAILED: "failed"}


cdef class OutBufferProbe:
    """The buffer."""

    cdef OutBuffer buf

    def __cinit__(self, bint to_pipe=False):
        self.buf = OutBuffer.__new__(OutBuffer)
        self.buf.to_pipe = to_pipe

    @property
    def size(self):
        return self.buf.size

    @property
    def error(self):
        """The errno of a send that failed."""
        return self.buf.error

    @property
    def kept_count(self):
        """Chunks that the buffer keeps alive."""
        rest = 0 if self.buf.rest is None else len(self.buf.rest)
        return rest + (self.buf.head is not None)

    def append(self, bytes data):
        self.buf.append(data)

    def send(self, int fd):
        """Send; return "all", "blocked" or "failed"."""
        return NAMES[self.buf.send(fd)]

    def consume(self, Py_ssize_t count):
        self.buf.consume(count)

    def clear(self):
        self.buf.clear()

    def content(self):
        """Return what is not sent, joined."""
        if self.buf.head is None:
            assert self.buf.rest is None and self.buf.size == 0
            return b""
        chunks = [self.buf.head[self.buf.offset:]]
        if self.buf.rest is not None:
            assert self.buf.first < len(self.buf.rest), "an exhausted list is kept"
            chunks += self.buf.rest[self.buf.first:]
        joined = b"".join(chunks)
        assert len(joined) == self.buf.size
        return joined
