"""TlsRecords: how many whole records a stretch of ciphertext brings."""

cdef class TlsRecords:
    cdef int count                   # whole records that may not have been used up, at most
    cdef bint opaque                 # this is not TLS, or not as we know it: anything may be there
    cdef Py_ssize_t missing          # bytes of the last record that have not come yet
    cdef unsigned char header[5]     # of the record that begins next, as far as it has come
    cdef int header_size

    cdef Py_ssize_t add(self, const char* data, Py_ssize_t size) noexcept
    cdef Py_ssize_t add_header(self, const char* data, Py_ssize_t size) noexcept
