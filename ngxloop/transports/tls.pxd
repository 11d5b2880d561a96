"""TlsTransport: what a protocol sees of a TLS connection."""

from ngxloop.transports.flow cimport FlowControl
from ngxloop.transports.tlslayer cimport TlsLayer

cdef class TlsTransport(FlowControl):
    cdef dict __dict__               # test suites replace methods; not allocated until then
    cdef object __weakref__
    cdef TlsLayer layer
