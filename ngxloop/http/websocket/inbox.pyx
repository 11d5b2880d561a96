# cython: nonecheck=True
"""Inbox: the messages that a client sends, until the application takes them.

How it works. A message that is received in one piece becomes a bytes or str at once. Pieces are
collected in memory that grows with what has come, never with what a head announces.

Rules. What waits for the application is bounded: above messages_max messages, or WAITING_BYTES,
nothing more is parsed, and above what was received by then nothing is read, until the application
has taken all of them. Up to there control frames are worked off, whatever the application does.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.stdint cimport uint8_t

import zlib

from ngxloop.http.awaitables cimport NOT_YET
from ngxloop.http.websocket.frames cimport (
    BAD_DEFLATED_DATA,
    BAD_TEXT,
    FRAMES_CONTROL,
    FRAMES_DATA,
    FRAMES_FAILED,
    OP_TEXT,
    TOO_LARGE_MESSAGE,
    FramesResult,
    frames_parse,
    frames_take,
)

cdef object INVALID_DATA = zlib.error

cdef enum:
    # Messages with more bytes than this, together, wait for the application, or one larger one.
    WAITING_BYTES = 65536
    # A text of this size is unmasked on the stack.
    SHORT_TEXT_BYTES = 1024
    PARTIAL_BYTES = 1024     # what is reserved at first

cdef str WIRE_ONLY = "Wire does this"


cdef class Inbox(Link):
    """The receiving half of a Wire; see the file header."""

    def __dealloc__(self):
        PyMem_Free(self.partial)

    cdef int receive(self, const char* data, Py_ssize_t size) except -1:
        cdef Py_ssize_t position
        self.heard = True
        if self.concluding:
            return 0
        if self.kept is not None:  # it came in spite of the pause: with TLS, from what was there
            self.kept = self.kept[self.kept_offset:] + data[:size]
            self.kept_offset = 0
            return 0
        position = self.parse(data, size)
        if position < size and not self.concluding:
            self.kept = PyBytes_FromStringAndSize(data + position, size - position)
            self.kept_offset = 0
        return self.settle_reading()

    cdef Py_ssize_t parse(self, const char* data, Py_ssize_t size) except -1:
        """Parse as much as may wait for the application; return how much that was."""
        cdef Py_ssize_t position = 0
        cdef FramesResult result
        while position < size and not self.concluding and not self.is_full():
            result = frames_parse(&self.frames, <const uint8_t*>data + position, size - position)
            if result == FRAMES_DATA:
                self.take_piece(<const uint8_t*>data + position)
            elif result == FRAMES_CONTROL:
                self.take_control()
            elif result == FRAMES_FAILED:
                self.fail(self.frames.failure)
            position += self.frames.consumed
        return position

    cdef int parse_kept(self) except -1:
        """Go on with what was not parsed, as far as possible."""
        cdef bytes kept = self.kept  # closing drops it
        cdef Py_ssize_t left = PyBytes_GET_SIZE(kept) - self.kept_offset
        cdef Py_ssize_t parsed = self.parse(PyBytes_AS_STRING(kept) + self.kept_offset, left)
        if parsed == left or self.concluding:
            self.kept = None
        else:
            self.kept_offset += parsed
        return 0

    # ---- messages

    cdef int take_piece(self, const uint8_t* data) except -1:
        """Take a piece of a message; nobody takes messages behind our Close."""
        if self.state == WIRE_CLOSING:
            return 0
        if self.partial_size == 0 and self.frames.message_ended:
            return self.take_whole(data)
        self.reserve(self.partial_size + self.frames.piece_size)
        if not frames_take(&self.frames, data, self.partial + self.partial_size):
            return self.fail(self.frames.failure)
        self.partial_size += self.frames.piece_size
        return self.take_partial() if self.frames.message_ended else 0

    cdef int take_whole(self, const uint8_t* data) except -1:
        """Take a message that is received in one piece."""
        cdef Py_ssize_t size = self.frames.piece_size
        cdef uint8_t[SHORT_TEXT_BYTES] text
        cdef bytes content
        if size <= SHORT_TEXT_BYTES and self.frames.message_opcode == OP_TEXT:
            if not self.frames.message_is_deflated:
                if not frames_take(&self.frames, data, text):
                    return self.fail(self.frames.failure)
                return self.add(True, PyUnicode_DecodeUTF8(<char*>text, size, NULL), size)
        content = PyBytes_FromStringAndSize(NULL, size)
        if not frames_take(&self.frames, data, <uint8_t*>PyBytes_AS_STRING(content)):
            return self.fail(self.frames.failure)
        if self.frames.message_is_deflated:
            return self.inflate(content)
        if self.frames.message_opcode == OP_TEXT:
            return self.add(True, content.decode(), size)
        return self.add(False, content, size)

    cdef int take_partial(self) except -1:
        """Take a message of which all pieces are here."""
        cdef const char* data = <const char*>self.partial
        cdef Py_ssize_t size = self.partial_size
        cdef object content
        if self.frames.message_opcode == OP_TEXT and not self.frames.message_is_deflated:
            content = PyUnicode_DecodeUTF8(data, size, NULL)
        else:
            content = PyBytes_FromStringAndSize(data, size)
        self.drop_partial()
        if self.frames.message_is_deflated:
            return self.inflate(<bytes>content)
        return self.add(self.frames.message_opcode == OP_TEXT, content, size)

    cdef int inflate(self, bytes data) except -1:
        """Take a message that is compressed."""
        cdef Py_ssize_t bytes_max = <Py_ssize_t>self.frames.message_bytes_max
        cdef Py_ssize_t size
        cdef bytes content
        cdef object text
        try:
            content = self.deflate.decompress(data, bytes_max)
        except INVALID_DATA:
            return self.fail(BAD_DEFLATED_DATA)
        size = PyBytes_GET_SIZE(content)
        if bytes_max and size > bytes_max:
            return self.fail(TOO_LARGE_MESSAGE)
        if self.frames.message_opcode != OP_TEXT:
            return self.add(False, content, size)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return self.fail(BAD_TEXT)
        return self.add(True, text, size)

    cdef int add(self, bint is_text, content, Py_ssize_t size) except -1:
        """Let a message wait for the application."""
        if is_text:
            self.messages.append({"type": "websocket.receive", "text": content})
        else:
            self.messages.append({"type": "websocket.receive", "bytes": content})
        self.waiting_bytes += size
        return 0 if self.listener is None else self.listener.wake_waiters()

    cdef object next_message(self):
        """Return the message that came first; NOT_YET if there is none."""
        cdef object message = NOT_YET
        if not self.messages and self.kept is not None:
            self.parse_kept()
        if self.messages:
            message = self.messages.pop(0)
        if not self.messages:
            self.waiting_bytes = 0
            if self.kept is not None:
                self.parse_kept()
            self.settle_reading()
        return message

    cdef bint is_full(self) noexcept:
        """Return whether so much waits for the application that nothing more is parsed."""
        return (
            self.waiting_bytes > WAITING_BYTES or len(self.messages) >= self.messages_max
        )

    cdef bint is_paused(self) noexcept:
        """Return whether nothing is read."""
        return self.stream.paused if self.tls is None else self.tls.layer.paused

    cdef int settle_reading(self) except -1:
        """Read or do not read, as wanted: once paused, until the application has taken all."""
        cdef bint paused
        cdef bint wanted
        if self.lost or self.state == WIRE_CLOSED:
            return 0
        paused = self.is_paused()
        wanted = self.kept is None and not (self.messages if paused else self.is_full())
        if wanted and paused:
            self.transport().resume_reading()
        elif not wanted and not paused:
            self.transport().pause_reading()
        return 0

    # ---- memory

    cdef int reserve(self, Py_ssize_t size) except -1:
        """Make room for so many bytes of a message."""
        cdef Py_ssize_t capacity = max(self.partial_capacity, <Py_ssize_t>PARTIAL_BYTES)
        cdef uint8_t* memory
        if size <= self.partial_capacity:
            return 0
        while capacity < size:
            capacity *= 2
        memory = <uint8_t*>PyMem_Realloc(self.partial, capacity)
        if memory == NULL:
            raise MemoryError(f"no memory for {capacity} bytes of a message")
        self.partial = memory
        self.partial_capacity = capacity
        return 0

    cdef void drop_partial(self) noexcept:
        PyMem_Free(self.partial)
        self.partial = NULL
        self.partial_size = self.partial_capacity = 0

    cdef int drop_input(self) except -1:
        """Forget what is received and not taken."""
        self.messages.clear()
        self.waiting_bytes = 0
        self.kept = None
        self.drop_partial()
        return 0

    # ---- what Wire does

    cdef int take_control(self) except -1:
        """A control frame is here."""
        raise NotImplementedError(WIRE_ONLY)

    cdef int fail(self, int failure) except -1:
        """The client breaks a rule: close."""
        raise NotImplementedError(WIRE_ONLY)
