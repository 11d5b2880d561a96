"""Outbox: the frames that are sent to a client."""

from ngxloop.http.websocket.inbox cimport Inbox

cdef class Outbox(Inbox):
    cdef int send_text(self, str text) except -1
    cdef int send_bytes(self, bytes data) except -1
    cdef int send_deflated(self, int opcode, data) except -1
    cdef int send_frame(
        self, int first_byte, const char* data, Py_ssize_t size, bytes owner
    ) except -1
    cdef int send_close(self, int code, str reason) except -1
