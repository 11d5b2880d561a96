"""flag: a bint of one byte, for objects of which there are many."""

cdef extern from *:
    ctypedef bint flag "unsigned char"
