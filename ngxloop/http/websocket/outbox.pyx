# cython: nonecheck=True
"""Outbox: the frames that are sent to a client; a message is one frame, without a mask.

A frame leaves in the call that sends it. A short payload is copied behind its head, a long one is
referred to.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.string cimport memcpy

from ngxloop.core.linux cimport iovec
from ngxloop.http.websocket.frames cimport (
    DEFLATED_BIT,
    FINAL_BIT,
    FRAME_HEAD_BYTES_MAX,
    OP_BINARY,
    OP_CLOSE,
    OP_TEXT,
    SIZE_IN_2_BYTES,
    SIZE_IN_8_BYTES,
)

cdef extern from "Python.h":
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL

cdef enum:
    # A payload up to this size is copied.
    JOINED_BYTES = 4096
    REASON_BYTES_MAX = 123   # of a Close: a control frame without the code
    CODE_BYTES = 2


cdef class Outbox(Inbox):
    """The sending half of a Wire; see the file header."""

    cdef int send_text(self, str text) except -1:
        """Send a message of text."""
        cdef Py_ssize_t size = 0
        cdef const char* data
        if self.deflate is not None and text:
            return self.send_deflated(OP_TEXT, text.encode())
        if len(text) > JOINED_BYTES:
            content = text.encode()
            data = PyBytes_AS_STRING(content)
            return self.send_frame(FINAL_BIT | OP_TEXT, data, len(content), content)
        data = PyUnicode_AsUTF8AndSize(text, &size)
        content = None if size <= JOINED_BYTES else text.encode()
        return self.send_frame(FINAL_BIT | OP_TEXT, data, size, content)

    cdef int send_bytes(self, bytes data) except -1:
        """Send a message of bytes."""
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        if self.deflate is not None and size:
            return self.send_deflated(OP_BINARY, data)
        return self.send_frame(FINAL_BIT | OP_BINARY, PyBytes_AS_STRING(data), size, data)

    cdef int send_deflated(self, int opcode, data) except -1:
        cdef bytes content = self.deflate.compress(data)
        return self.send_frame(
            FINAL_BIT | DEFLATED_BIT | opcode,
            PyBytes_AS_STRING(content),
            PyBytes_GET_SIZE(content),
            content,
        )

    cdef int send_frame(
        self, int first_byte, const char* data, Py_ssize_t size, bytes owner
    ) except -1:
        """Send a frame; above JOINED_BYTES its payload is that of owner, which is kept."""
        cdef char[FRAME_HEAD_BYTES_MAX + JOINED_BYTES] memory
        cdef Py_ssize_t head_size = head_write(<uint8_t*>memory, first_byte, size)
        cdef iovec[3] parts
        if size <= JOINED_BYTES:
            memcpy(memory + head_size, data, size)
            return self.write(memory, head_size + size)
        parts[0].iov_base = memory
        parts[0].iov_len = head_size
        parts[1].iov_base = PyBytes_AS_STRING(owner)
        parts[1].iov_len = size
        parts[2].iov_base = NULL
        parts[2].iov_len = 0
        return self.write_around(parts, owner)

    cdef int send_close(self, int code, str reason) except -1:
        """Send our Close; a reason that is too long is cut between two characters."""
        cdef bytes text = reason.encode()[:REASON_BYTES_MAX].decode(errors="ignore").encode()
        cdef bytes payload = code.to_bytes(CODE_BYTES, "big") + text
        return self.send_frame(
            FINAL_BIT | OP_CLOSE, PyBytes_AS_STRING(payload), PyBytes_GET_SIZE(payload), payload
        )


cdef Py_ssize_t head_write(uint8_t* head, int first_byte, Py_ssize_t size) noexcept nogil:
    """Write the head of a frame without a mask; return its size."""
    cdef int size_bytes = 0, i
    head[0] = <uint8_t>first_byte
    if size < SIZE_IN_2_BYTES:
        head[1] = <uint8_t>size
    elif size <= 0xFFFF:
        head[1] = SIZE_IN_2_BYTES
        size_bytes = 2
    else:
        head[1] = SIZE_IN_8_BYTES
        size_bytes = 8
    for i in range(size_bytes):
        head[2 + i] = <uint8_t>(size >> 8 * (size_bytes - 1 - i))
    return 2 + size_bytes
