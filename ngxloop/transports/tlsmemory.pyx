# cython: nonecheck=True
"""TlsMemory: what all TLS connections of a loop share.

Rules. One per loop, so that an idle connection owns no buffer. The plaintext buffer is valid for
one step of an engine, during which the ssl module gives up the GIL: `lent` keeps engines off it
that other threads use meanwhile. The window is valid for one call of a C function, which reads it
first.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc

from ngxloop.core.limits cimport TLS_PLAIN_BYTES
from ngxloop.transports.tlswindow cimport TlsWindow


@cython.final
cdef class TlsMemory:
    """Memory for every TLS connection of one loop; see the file header."""

    def __cinit__(self):
        self.window = TlsWindow.__new__(TlsWindow)
        self.read_arguments = (TLS_PLAIN_BYTES, self.window)
        self.handshakes = set()

    def __dealloc__(self):
        PyMem_Free(self.plain_buffer)

    def set_refusal(self, refusal):
        """Have a function called when a handshake with a client fails.

        Args:
            refusal: takes the transport below, the ssl.SSLError and the beginning of what the
                client has sent; returns what it is answered instead of OpenSSL's alert, or None.
        """
        self.refusal = refusal

    def abort_handshakes(self):
        """Close the connections of clients that have not ended their handshake."""
        for layer in list(self.handshakes):
            layer._app_transport.abort()

    cdef char* plain(self) except NULL:
        """Return TLS_PLAIN_BYTES of memory, valid until Python code runs that is not OpenSSL's."""
        if self.plain_buffer == NULL:
            self.plain_buffer = <char*>PyMem_Malloc(TLS_PLAIN_BYTES)
            if self.plain_buffer == NULL:
                raise MemoryError(f"no memory for a TLS buffer of {TLS_PLAIN_BYTES} bytes")
        return self.plain_buffer
