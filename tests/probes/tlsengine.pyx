"""A TLS engine, and the records it counts: bytes in, bytes out."""

from cpython.bytes cimport PyBytes_AS_STRING

from ngxloop.transports.tlsengine cimport TlsEngine, TlsState
from ngxloop.transports.tlsmemory cimport TlsMemory
from ngxloop.transports.tlsrecords cimport TlsRecords

from ngxloop.transports.tlsengine import TRANSITIONS

STATES = list(TRANSITIONS)


cdef class EngineProbe:
    """One end; methods are those of the engine."""

    cdef TlsEngine engine
    cdef bytearray room

    def __init__(self, TlsMemory memory not None, context, server_side, server_hostname=None):
        self.engine = TlsEngine(memory, context, server_side, server_hostname)

    @property
    def state(self):
        return self.engine.state_name

    @property
    def peer_closed(self):
        return bool(self.engine.peer_closed)

    @property
    def failure(self):
        return self.engine.failure

    @property
    def readable(self):
        return self.engine.readable()

    @property
    def ssl_object(self):
        return self.engine.ssl_object

    @property
    def unsent_bytes(self):
        return self.engine.unsent_bytes()

    @property
    def unread_bytes(self):
        return self.engine.unread_bytes()

    def move(self, str state):
        self.engine.move(<TlsState>(<int>STATES.index(state)))

    def feed(self, bytes data):
        self.engine.feed(PyBytes_AS_STRING(data), len(data))

    def decrypt(self, bytes data=b""):
        """Feed data and return the plaintext, b"" if there is none."""
        return self.engine.decrypt(PyBytes_AS_STRING(data), len(data)) or b""

    def read_into(self, Py_ssize_t size):
        """Read into a buffer of size bytes; return what came."""
        cdef bytearray room = bytearray(size)
        cdef char* start = room
        return bytes(room[:self.engine.read_into(start, size)])

    def handshake(self):
        return self.engine.handshake()

    def unwrap(self):
        return self.engine.unwrap()

    def write(self, bytes data):
        self.engine.write(data)

    def encrypt(self):
        return self.engine.encrypt()

    def take_output(self):
        return self.engine.take_output()


cdef class RecordsProbe:
    """The records of one direction."""

    cdef TlsRecords records

    def __init__(self):
        self.records = TlsRecords.__new__(TlsRecords)

    @property
    def count(self):
        return self.records.count

    @property
    def opaque(self):
        return bool(self.records.opaque)

    def add(self, bytes data):
        """Return how many bytes were taken."""
        return self.records.add(PyBytes_AS_STRING(data), len(data))
