"""Blocks of memory that are exactly as large as their content."""

from libc.stdint cimport uint8_t

cdef class Memory:
    cdef uint8_t* bytes      # OWNS
    cdef size_t size

cdef Memory copied(const void* content, size_t size)
