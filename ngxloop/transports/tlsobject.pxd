"""TlsObject: an ssl.SSLObject between two memory BIOs."""

from cpython.pythread cimport PyThread_type_lock

from ngxloop.transports.tlsmemory cimport TlsMemory

cdef class TlsObject:
    cdef readonly object ssl_object  # the ssl.SSLObject
    cdef object incoming             # ssl.MemoryBIO: ciphertext that OpenSSL has not read
    cdef object outgoing             # ssl.MemoryBIO: ciphertext for the peer
    # bound methods of the above: looking them up for each record costs more than keeping them
    cdef object plain_read
    cdef object plain_write
    cdef object incoming_write
    cdef object outgoing_read
    cdef TlsMemory memory
    cdef unsigned long owner         # the thread that uses OpenSSL; 0: none
    cdef int waiter_count            # threads that wait for it
    # OWNS: the lock they wait for; NULL until the first thread has to
    cdef PyThread_type_lock handover

    cdef int wrap(
        self, TlsMemory memory, sslcontext, bint server_side, server_hostname
    ) except -1
    cdef bint acquire(self, bint wait) except -1
    cdef int wait_for_handover(self) except -1
    cdef void release(self) noexcept
    cdef int put_ciphertext(self, const char* data, Py_ssize_t size) except -1
    cdef Py_ssize_t unread_bytes(self) except -1
    cdef Py_ssize_t read_once(self, char* room, Py_ssize_t size) except -2
    cdef Py_ssize_t write_once(self, plain) except -2
    cdef bytes take_output(self)

cdef tuple WANTS_MORE
