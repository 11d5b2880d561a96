"""TlsFlow: how the data of a TLS connection flows between the transport below and the protocol."""

from ngxloop.core.event cimport Event
from ngxloop.core.reactor cimport Reactor
from ngxloop.transports.flow cimport FlowControl
from ngxloop.transports.receiver cimport Receiver
from ngxloop.transports.stream cimport StreamTransport
from ngxloop.transports.tlsengine cimport TlsEngine

cdef class TlsFlow(Receiver):
    cdef object __weakref__
    cdef Reactor loop
    cdef TlsEngine engine
    # the TlsTransport: the protocol, its context and limits; None once the connection is lost
    cdef FlowControl app
    cdef object lower                # the transport below; None before connection_made()
    cdef StreamTransport stream      # the same if it is a stream of ours, else None
    cdef Event flush_event           # sends what is joined until the turn ends
    cdef Py_ssize_t read_high_bytes
    cdef Py_ssize_t read_low_bytes
    cdef int lost_count              # writes since the connection is closed
    cdef bint buffered               # the protocol is a BufferedProtocol
    cdef bint raw                    # the protocol is a Receiver
    cdef bint paused                 # the protocol called pause_reading()
    cdef bint lower_paused           # the transport below has paused writing
    cdef bint flushed                # flush() has sent what there was since this was cleared
    cdef bint lower_held             # reading below is paused by us
    cdef bint closed                 # close() or abort() was called, or the connection is lost

    cdef int use_protocol(self, protocol) except -1
    cdef bint enter(self) except -1
    cdef int leave(self, context) except -1
    # reading
    cdef int receive(self, const char* data, Py_ssize_t size) except -1
    cdef int peer_left(self) except -1
    cdef int step(self, const char* data, Py_ssize_t size) except -1
    cdef int read(self, const char* data, Py_ssize_t size) except -1
    cdef int deliver(self, const char* data, Py_ssize_t size) except -1
    cdef int deliver_buffered(self) except -1
    cdef int hold_or_release(self) except -1
    cdef int resume(self) except -1
    # writing
    cdef int write(self, bytes data) except -1
    cdef int write_several(self, list pieces) except -1
    cdef bint may_write(self) except -1
    cdef int send_soon(self) except -1
    cdef int send_joined(self) except -1
    cdef int flush_reported(self) except -1
    cdef int flush(self) except -1
    cdef bint lower_is_lost(self) except -1
    cdef int send(self, bytes data) except -1
    cdef Py_ssize_t encrypt_and_send(self) except -1
    cdef int flow(self) except -1
    # for TlsLayer
    cdef int peer_closed(self) except -1
    cdef int fatal_error(self, exc, str message) except -1
