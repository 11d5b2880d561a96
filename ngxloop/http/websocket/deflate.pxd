"""Deflate: compressed messages of one connection (permessage-deflate, RFC 7692)."""

cdef class Deflate:
    cdef object parameters           # DeflateParameters, see extensions.py
    cdef object compressor           # None until it is needed, and so the next one
    cdef object decompressor

    cdef bytes compress(self, data)
    cdef bytes decompress(self, bytes data, Py_ssize_t bytes_max)
    cdef object new_decompressor(self, bytes before)

cdef Deflate deflate_new(parameters)
