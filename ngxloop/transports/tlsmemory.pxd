"""TlsMemory: what all TLS connections of a loop share."""

from ngxloop.transports.tlswindow cimport TlsWindow

cdef class TlsMemory:
    cdef TlsWindow window
    cdef tuple read_arguments        # (size, window): the arguments of every SSLObject.read()
    cdef char* plain_buffer          # OWNS: TLS_PLAIN_BYTES; made when needed
    cdef bint lent                   # an engine reads or writes plain_buffer, without the GIL
    cdef set handshakes              # the layers of clients that have not ended their handshake
    cdef object refusal              # called when such a handshake fails, or None

    cdef char* plain(self) except NULL
