"""Frames: the parser of what a client sends on a WebSocket connection (RFC 6455 5).

    frames_init(&frames, message_bytes_max, deflates)
    while True:
        result = frames_parse(&frames, data, size)
        # FRAMES_DATA: frames_take(&frames, data, target) has to follow: it puts piece_size bytes
        #     of a message to target, unmasked; False: FRAMES_FAILED
        # FRAMES_CONTROL: a whole control frame: opcode, control, control_size
        # FRAMES_AGAIN: all bytes are taken; FRAMES_FAILED: nothing may be parsed any more
        data += frames.consumed; size -= frames.consumed

A parser knows no Python and allocates nothing. What it says does not depend on how the bytes are
cut, and it fails with the first byte that is wrong.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint64_t

from ngxloop.http.websocket.utf8 cimport Utf8

cdef enum Opcode:
    OP_CONTINUATION = 0
    OP_TEXT = 1
    OP_BINARY = 2
    OP_CLOSE = 8             # the first of those that control the connection
    OP_PING = 9
    OP_PONG = 10

cdef enum FrameBits:
    FINAL_BIT = 0x80         # of the first byte
    RESERVED_BITS = 0x70
    DEFLATED_BIT = 0x40      # the first reserved one. RFC 7692 6
    OPCODE_BITS = 0x0F
    MASKED_BIT = 0x80        # of the second byte
    SIZE_BITS = 0x7F
    SIZE_IN_2_BYTES = 126
    SIZE_IN_8_BYTES = 127

cdef enum:
    # RFC 6455 5.5: the payload of a control frame
    CONTROL_BYTES_MAX = 125
    # The largest head of a frame: two bytes, a size and a mask. RFC 6455 5.2
    FRAME_HEAD_BYTES_MAX = 14

cdef enum CloseCode:
    CLOSE_NORMAL = 1000
    CLOSE_PROTOCOL_ERROR = 1002
    CLOSE_NO_CODE = 1005     # never sent: a Close without a code
    CLOSE_BROKEN = 1006      # never sent: the connection ended without a Close
    CLOSE_TOO_LARGE = 1009
    CLOSE_FAILED = 1011      # of the server
    CLOSE_RESTART = 1012

cdef enum FramesResult:
    FRAMES_FAILED = -1
    FRAMES_AGAIN = 0
    FRAMES_DATA = 1
    FRAMES_CONTROL = 2

# Why a connection fails; the first four digits are the code of our Close. FAILURES has the words.
cdef enum Failure:
    NOT_FAILED = 0
    BAD_RESERVED_BIT = 100201    # one that no extension gives a meaning here
    BAD_OPCODE = 100202
    BAD_MASK = 100203            # a client has to mask
    BAD_SIZE = 100204            # in more bytes than it needs, or above 2^63 - 1
    BAD_CONTROL_SIZE = 100205
    BAD_CONTROL_FRAGMENT = 100206
    BAD_CONTINUATION = 100207    # of no message
    BAD_INTERRUPTION = 100208    # another message before the end of one
    BAD_CLOSE_SIZE = 100209      # one byte, where a code has two
    BAD_CLOSE_CODE = 100210
    BAD_DEFLATED_DATA = 100211
    BAD_TEXT = 100701            # not UTF-8
    BAD_REASON = 100702          # the same, of a Close
    TOO_LARGE_MESSAGE = 100901

cdef struct Frames:
    uint64_t message_bytes_max   # 0: no limit
    uint8_t deflates             # messages may be compressed
    # the frame
    uint8_t[FRAME_HEAD_BYTES_MAX] head
    uint8_t head_size            # bytes of it that are here
    uint8_t head_bytes           # bytes that it has; known from the second one on
    uint8_t in_payload           # the head is complete, the payload is not
    uint8_t opcode
    uint8_t is_final
    uint8_t[4] mask              # turned so that its first byte is that of the next one
    uint64_t remaining           # bytes of the payload to come
    # the message that is being received, or was received last
    uint8_t in_message           # more of it is to come
    uint8_t message_opcode       # OP_TEXT or OP_BINARY
    uint8_t message_is_deflated
    uint64_t message_bytes       # as its frames' heads say
    Utf8 text                    # unless it is deflated
    # the control frame that was received last
    uint8_t control_size
    uint8_t[CONTROL_BYTES_MAX] control
    uint16_t close_code          # of a Close; CLOSE_NO_CODE if it has none

    int32_t failure              # Failure
    # of the last call
    size_t consumed              # bytes that are parsed
    size_t piece_offset          # with FRAMES_DATA; the size may be 0 at the end of a message
    size_t piece_size
    uint8_t message_ended        # with this piece

cdef void frames_init(Frames* frames, uint64_t message_bytes_max, bint deflates) noexcept nogil
cdef FramesResult frames_parse(Frames* frames, const uint8_t* data, size_t size) noexcept nogil
cdef bint frames_take(Frames* frames, const uint8_t* data, uint8_t* target) noexcept nogil
# Whether an endpoint may send this code in a Close. RFC 6455 7.4
cdef bint may_be_sent(int close_code) noexcept nogil


cdef inline int failure_code(int failure) noexcept nogil:
    return failure // 100
