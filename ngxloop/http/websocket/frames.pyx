"""The parser of WebSocket frames: heads, control frames, and the pieces of messages.

Rules. What RFC 6455 forbids a client fails the connection: frames without a mask, reserved bits and
opcodes, sizes in more bytes than they need, control frames that are large or in fragments, text
that is not UTF-8, codes that no endpoint may send. A message that is too large fails when the head
says so: no memory is taken for what was only announced.

How it works. A head is copied byte by byte, up to 14 of them, and judged with each byte that
decides. Payload stays where it was received until frames_take() unmasks it into the caller's
memory, eight bytes at a time; text is checked there, which the end of a message completes.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy, memset

from ngxloop.http.websocket.utf8 cimport utf8_check

cdef enum:
    WORD_SIZE = 8
    MASK_SIZE = 4
    HEAD_START_SIZE = 2      # of a head without its size and its mask
    CLOSE_CODE_SIZE = 2

# Why a connection fails, in words: the reason of our Close, and for the log.
FAILURES = {
    BAD_RESERVED_BIT: "reserved bit is set",
    BAD_OPCODE: "unknown opcode",
    BAD_MASK: "frame is not masked",
    BAD_SIZE: "invalid size of a frame",
    BAD_CONTROL_SIZE: "control frame is too large",
    BAD_CONTROL_FRAGMENT: "control frame is fragmented",
    BAD_CONTINUATION: "continuation of no message",
    BAD_INTERRUPTION: "message within a message",
    BAD_CLOSE_SIZE: "invalid size of a Close",
    BAD_CLOSE_CODE: "invalid close code",
    BAD_DEFLATED_DATA: "invalid compressed data",
    BAD_TEXT: "text is not UTF-8",
    BAD_REASON: "close reason is not UTF-8",
    TOO_LARGE_MESSAGE: "message is too large",
}


cdef void frames_init(Frames* frames, uint64_t message_bytes_max, bint deflates) noexcept nogil:
    memset(frames, 0, sizeof(Frames))
    frames.message_bytes_max = message_bytes_max
    frames.deflates = deflates


cdef FramesResult frames_parse(Frames* frames, const uint8_t* data, size_t size) noexcept nogil:
    frames.consumed = 0
    frames.piece_size = 0
    frames.message_ended = False
    while True:
        if not frames.in_payload and not head_parse(frames, data, size):
            return FRAMES_FAILED if frames.failure else FRAMES_AGAIN
        if frames.opcode >= OP_CLOSE:
            return control_parse(frames, data, size)
        if piece_find(frames, size):
            return FRAMES_DATA
        if frames.in_payload:
            return FRAMES_AGAIN


# ---- heads

cdef bint head_parse(Frames* frames, const uint8_t* data, size_t size) noexcept nogil:
    """Take bytes of a head; return whether it is complete. It is not if the connection fails."""
    while frames.consumed < size:
        frames.head[frames.head_size] = data[frames.consumed]
        frames.head_size += 1
        frames.consumed += 1
        frames.failure = head_check(frames)
        if frames.failure:
            return False
        if frames.head_size == frames.head_bytes:
            head_end(frames)
            return True
    return False


cdef int head_check(Frames* frames) noexcept nogil:
    """Judge the byte of a head that came last; return why the connection fails."""
    if frames.head_size == 1:
        return first_byte_check(frames, frames.head[0])
    if frames.head_size == HEAD_START_SIZE:
        return second_byte_check(frames, frames.head[1])
    if frames.head_size == frames.head_bytes - MASK_SIZE:
        return size_check(frames)
    return NOT_FAILED


cdef int first_byte_check(Frames* frames, uint8_t byte) noexcept nogil:
    cdef int opcode = byte & OPCODE_BITS
    cdef int reserved = byte & RESERVED_BITS
    cdef bint is_start = opcode == OP_TEXT or opcode == OP_BINARY
    frames.head_bytes = FRAME_HEAD_BYTES_MAX
    frames.opcode = <uint8_t>opcode
    frames.is_final = (byte & FINAL_BIT) != 0
    if reserved and not (reserved == DEFLATED_BIT and frames.deflates and is_start):
        return BAD_RESERVED_BIT
    if opcode >= OP_CLOSE:
        if opcode > OP_PONG:
            return BAD_OPCODE
        return NOT_FAILED if frames.is_final else BAD_CONTROL_FRAGMENT
    if opcode == OP_CONTINUATION:
        return NOT_FAILED if frames.in_message else BAD_CONTINUATION
    if not is_start:
        return BAD_OPCODE
    return BAD_INTERRUPTION if frames.in_message else NOT_FAILED


cdef int second_byte_check(Frames* frames, uint8_t byte) noexcept nogil:
    cdef int size = byte & SIZE_BITS
    if not byte & MASKED_BIT:
        return BAD_MASK
    if frames.opcode >= OP_CLOSE:
        if size > CONTROL_BYTES_MAX:
            return BAD_CONTROL_SIZE
        if frames.opcode == OP_CLOSE and size == 1:
            return BAD_CLOSE_SIZE
    frames.head_bytes = HEAD_START_SIZE + MASK_SIZE
    if size == SIZE_IN_2_BYTES:
        frames.head_bytes += 2
    elif size == SIZE_IN_8_BYTES:
        frames.head_bytes += 8
    frames.remaining = size
    return NOT_FAILED if size >= SIZE_IN_2_BYTES else limit_check(frames)


cdef int size_check(Frames* frames) noexcept nogil:
    """Read the size behind the second byte."""
    cdef uint64_t size = 0
    cdef int i
    for i in range(HEAD_START_SIZE, frames.head_size):
        size = size << 8 | frames.head[i]
    frames.remaining = size
    if size >> 63 or size <= (0xFFFF if frames.head_size > 4 else CONTROL_BYTES_MAX):
        return BAD_SIZE
    return limit_check(frames)


cdef int limit_check(Frames* frames) noexcept nogil:
    cdef uint64_t before = frames.message_bytes if frames.opcode == OP_CONTINUATION else 0
    cdef uint64_t limit = frames.message_bytes_max
    if frames.opcode < OP_CLOSE and limit and frames.remaining > limit - before:
        return TOO_LARGE_MESSAGE
    return NOT_FAILED


cdef void head_end(Frames* frames) noexcept nogil:
    """Begin with the payload."""
    memcpy(frames.mask, frames.head + frames.head_bytes - MASK_SIZE, MASK_SIZE)
    frames.in_payload = True
    if frames.opcode >= OP_CLOSE:
        frames.control_size = 0
    elif frames.opcode == OP_CONTINUATION:
        frames.message_bytes += frames.remaining
    else:
        frames.in_message = True
        frames.message_opcode = frames.opcode
        frames.message_is_deflated = (frames.head[0] & DEFLATED_BIT) != 0
        frames.message_bytes = frames.remaining
        memset(&frames.text, 0, sizeof(Utf8))


cdef void frame_end(Frames* frames) noexcept nogil:
    """Wait for the next head."""
    frames.in_payload = False
    frames.head_size = frames.head_bytes = 0


# ---- messages

cdef bint piece_find(Frames* frames, size_t size) noexcept nogil:
    """Find what is here of the payload; return whether there is something to take."""
    frames.piece_offset = frames.consumed
    frames.piece_size = <size_t>min(frames.remaining, size - frames.consumed)
    frames.consumed += frames.piece_size
    frames.remaining -= frames.piece_size
    if frames.remaining == 0:
        frame_end(frames)
        if frames.is_final:
            frames.in_message = False
            frames.message_ended = True
    return frames.piece_size > 0 or frames.message_ended


cdef bint frames_take(Frames* frames, const uint8_t* data, uint8_t* target) noexcept nogil:
    unmask(frames, data + frames.piece_offset, target, frames.piece_size)
    if frames.message_opcode != OP_TEXT or frames.message_is_deflated:
        return True
    if utf8_check(&frames.text, target, frames.piece_size):
        if not frames.message_ended or frames.text.missing == 0:
            return True
    frames.failure = BAD_TEXT
    return False


cdef void unmask(
    Frames* frames, const uint8_t* source, uint8_t* target, size_t size
) noexcept nogil:
    """Copy payload without its mask, and turn the mask for what follows."""
    cdef uint8_t[WORD_SIZE] mask
    cdef uint64_t mask_word, word
    cdef size_t i = 0
    memcpy(mask, frames.mask, MASK_SIZE)
    memcpy(mask + MASK_SIZE, frames.mask, MASK_SIZE)
    memcpy(&mask_word, mask, WORD_SIZE)
    while i + WORD_SIZE <= size:
        memcpy(&word, source + i, WORD_SIZE)
        word ^= mask_word
        memcpy(target + i, &word, WORD_SIZE)
        i += WORD_SIZE
    while i < size:
        target[i] = source[i] ^ mask[i % MASK_SIZE]
        i += 1
    memcpy(frames.mask, mask + size % MASK_SIZE, MASK_SIZE)


# ---- control frames

cdef FramesResult control_parse(Frames* frames, const uint8_t* data, size_t size) noexcept nogil:
    """Take what is here of a control frame."""
    cdef size_t count = <size_t>min(frames.remaining, size - frames.consumed)
    unmask(frames, data + frames.consumed, frames.control + frames.control_size, count)
    frames.control_size += <uint8_t>count
    frames.consumed += count
    frames.remaining -= count
    if frames.opcode == OP_CLOSE:
        frames.failure = close_check(frames)
        if frames.failure:
            return FRAMES_FAILED
    if frames.remaining:
        return FRAMES_AGAIN
    frame_end(frames)
    return FRAMES_CONTROL


cdef int close_check(Frames* frames) noexcept nogil:
    """Judge what is here of a Close; return why the connection fails."""
    cdef Utf8 reason
    frames.close_code = CLOSE_NO_CODE
    if frames.control_size < CLOSE_CODE_SIZE:
        return NOT_FAILED
    frames.close_code = frames.control[0] << 8 | frames.control[1]
    if not may_be_sent(frames.close_code):
        return BAD_CLOSE_CODE
    memset(&reason, 0, sizeof(Utf8))
    if not utf8_check(
        &reason, frames.control + CLOSE_CODE_SIZE, frames.control_size - CLOSE_CODE_SIZE
    ) or (reason.missing and frames.remaining == 0):
        return BAD_REASON
    return NOT_FAILED


cdef bint may_be_sent(int close_code) noexcept nogil:
    if 1004 <= close_code <= 1006:
        return False
    return 1000 <= close_code <= 1014 or 3000 <= close_code <= 4999
