"""A Receiver that records what it is told, and the C methods of transports that only code has."""

from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from ngxloop.core.clock cimport ns_from_seconds
from ngxloop.core.reactor cimport Reactor
from ngxloop.transports.receiver cimport Receiver
from ngxloop.transports.stream cimport StreamTransport
from ngxloop.transports.tls cimport TlsTransport


cdef class RecordingReceiver(Receiver):
    """Record every call by name, in order; `on_call` is called with each name."""

    cdef readonly list calls
    cdef readonly object received
    cdef readonly object transport
    cdef readonly object lost_with
    cdef public object on_call
    cdef public bint keeps_open
    cdef public object closed

    def __init__(self):
        self.calls = []
        self.received = bytearray()

    cdef int note(self, str name) except -1:
        self.calls.append(name)
        if self.on_call is not None:
            self.on_call(name)
        return 0

    cdef int receive(self, const char* data, Py_ssize_t size) except -1:
        self.received += PyBytes_FromStringAndSize(data, size)
        return self.note("receive")

    cdef int peer_left(self) except -1:
        return self.note("peer_left")

    cdef int deadline_passed(self) except -1:
        return self.note("deadline_passed")

    def connection_made(self, transport):
        self.transport = transport
        self.note("connection_made")

    def eof_received(self):
        self.note("eof_received")
        return self.keeps_open

    def pause_writing(self):
        self.note("pause_writing")

    def resume_writing(self):
        self.note("resume_writing")

    def connection_lost(self, exc):
        self.lost_with = exc
        self.note("connection_lost")

    def set_deadline(self, Reactor loop not None, double seconds):
        """Let deadline_passed() be called after so long; 0: never."""
        cdef long long deadline_ns = 0
        if seconds:
            deadline_ns = self.now_ns(loop) + ns_from_seconds(seconds)
        self.deadline_set(loop, deadline_ns)

    def stop_deadline(self):
        self.deadline_stop()


def write_memory(StreamTransport transport not None, bytes data not None):
    """Write data out of memory that is overwritten as soon as the call returns."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
    cdef char* memory = <char*>malloc(size + 1)
    memcpy(memory, PyBytes_AS_STRING(data), size)
    try:
        transport.write_memory(memory, size)
    finally:
        memset(memory, ord("#"), size)
        free(memory)


def linger(transport, double quiet_seconds, double total_seconds, bytes_max=0):
    """Let a stream or TLS transport linger."""
    if type(transport) is TlsTransport:
        (<TlsTransport>transport).layer.linger(quiet_seconds, total_seconds, bytes_max)
    else:
        (<StreamTransport?>transport).linger(quiet_seconds, total_seconds, bytes_max)
