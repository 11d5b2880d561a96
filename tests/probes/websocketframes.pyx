"""The parser of WebSocket frames, fed as a connection feeds it.

All memory that it sees is as large as what is in it, and a new block for each call: a sanitizer
reports a byte that is read or written behind its end.
"""

from cpython.bytes cimport PyBytes_FromStringAndSize

from ngxloop.http.websocket.frames cimport (
    FRAMES_AGAIN,
    FRAMES_CONTROL,
    FRAMES_DATA,
    FRAMES_FAILED,
    OP_CLOSE,
    Frames,
    FramesResult,
    frames_init,
    frames_parse,
    frames_take,
    may_be_sent,
)
from ngxloop.http.websocket.utf8 cimport Utf8, utf8_check
from tests.probes.httpparser cimport Memory, copied


cdef class FramesParser:
    """What a client has sent, as a list of events.

    ("message", opcode, whether it is deflated, bytes) for each whole message; (opcode, bytes) for
    each control frame, and (8, bytes, code) for a Close; ("failed", number) at the end. What has
    come of a message that is not whole is in `partial`.
    """

    cdef Frames frames
    cdef readonly list events
    cdef readonly bytes partial

    def __init__(self, message_bytes_max=0, deflates=False):
        frames_init(&self.frames, message_bytes_max, deflates)
        self.events = []
        self.partial = b""

    def feed(self, bytes data not None):
        """Parse all of it."""
        cdef size_t position = 0
        cdef FramesResult result = FRAMES_DATA
        cdef Memory memory
        while result != FRAMES_AGAIN and not self.has_failed():
            memory = copied(<const char*>data + position, len(data) - position)
            result = frames_parse(&self.frames, memory.bytes, memory.size)
            if result == FRAMES_DATA:
                self.take(memory)
            elif result == FRAMES_CONTROL:
                self.add_control()
            elif result == FRAMES_FAILED:
                self.events.append(("failed", self.frames.failure))
            position += self.frames.consumed
            assert self.has_failed() or result != FRAMES_AGAIN or position == <size_t>len(data)

    cdef bint has_failed(self):
        return self.frames.failure != 0

    cdef int take(self, Memory memory) except -1:
        cdef Memory piece = Memory(self.frames.piece_size)
        if not frames_take(&self.frames, memory.bytes, piece.bytes):
            self.events.append(("failed", self.frames.failure))
            return 0
        self.partial += PyBytes_FromStringAndSize(<char*>piece.bytes, piece.size)
        if self.frames.message_ended:
            self.events.append((
                "message",
                self.frames.message_opcode,
                bool(self.frames.message_is_deflated),
                self.partial,
            ))
            self.partial = b""
        return 0

    cdef int add_control(self) except -1:
        payload = PyBytes_FromStringAndSize(<char*>self.frames.control, self.frames.control_size)
        if self.frames.opcode == OP_CLOSE:
            self.events.append((self.frames.opcode, payload, self.frames.close_code))
        else:
            self.events.append((self.frames.opcode, payload))
        return 0


def is_utf8(*pieces):
    """Return whether pieces are UTF-8 together; "more": as the beginning of a text."""
    cdef Utf8 text
    cdef Memory memory
    text.missing = text.lowest = text.highest = 0
    for piece in pieces:
        memory = copied(<const char*>piece, len(piece))
        if not utf8_check(&text, memory.bytes, memory.size):
            return False
    return "more" if text.missing else True


def may_send(code):
    """Return whether a Close may have this code."""
    return may_be_sent(code)
