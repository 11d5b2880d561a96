"""Inbox: the messages that a client sends, until the application takes them."""

from libc.stdint cimport uint8_t

from ngxloop.core.flag cimport flag
from ngxloop.http.awaitables cimport WaitedFor
from ngxloop.http.link cimport Link
from ngxloop.http.websocket.deflate cimport Deflate
from ngxloop.http.websocket.frames cimport Frames

# See TRANSITIONS in wire.pyx.
cdef enum WireState:
    WIRE_OPEN = 0
    WIRE_CLOSING             # our Close is sent, that of the client is to come
    WIRE_CLOSED              # nothing is read or sent any more

cdef class Inbox(Link):
    cdef WireState state
    cdef Frames frames               # the parser
    cdef Deflate deflate             # None: messages are not compressed
    cdef WaitedFor listener          # the application's side; None once the connection is lost
    cdef list messages               # that wait for the application
    cdef Py_ssize_t messages_max     # above which, or that of their bytes, nothing more is read
    cdef Py_ssize_t waiting_bytes    # of messages, counted until all of them are taken
    cdef uint8_t* partial            # OWNS: what is here of a message; NULL between two
    cdef Py_ssize_t partial_size
    cdef Py_ssize_t partial_capacity
    cdef bytes kept                  # what is not parsed as the application takes nothing, or None
    cdef Py_ssize_t kept_offset      # where that begins
    cdef flag heard                  # something has come since the last Ping
    cdef flag concluding             # the last frame of the client is here: nothing more is parsed

    cdef Py_ssize_t parse(self, const char* data, Py_ssize_t size) except -1
    cdef int parse_kept(self) except -1
    cdef int take_piece(self, const uint8_t* data) except -1
    cdef int take_whole(self, const uint8_t* data) except -1
    cdef int take_partial(self) except -1
    cdef int reserve(self, Py_ssize_t size) except -1
    cdef int add(self, bint is_text, content, Py_ssize_t size) except -1
    cdef int inflate(self, bytes data) except -1
    cdef object next_message(self)
    cdef bint is_full(self) noexcept
    cdef bint is_paused(self) noexcept
    cdef int settle_reading(self) except -1
    cdef void drop_partial(self) noexcept
    cdef int drop_input(self) except -1
    # what Wire does
    cdef int take_control(self) except -1
    cdef int fail(self, int failure) except -1
