"""TlsRecords: how many whole records a stretch of ciphertext brings."""

cdef class TlsRecords:
    cdef int count                   # whole records that may not have been used up, at most
    cdef bint opaque                 # not TLS, or an unknown kind of it: there may be anything
    cdef Py_ssize_t missing          # bytes of the last record that are still to come
    cdef unsigned char header[5]     # of the record that begins next, as far as it is there
    cdef int header_size

    cdef Py_ssize_t add(self, const char* data, Py_ssize_t size) noexcept
    cdef Py_ssize_t add_header(self, const char* data, Py_ssize_t size) noexcept
