"""LoopAttributes: the state that BaseEventLoop keeps in attributes."""

from ngxloop.core.stepping cimport Stepping

cdef class LoopAttributes(Stepping):
    cdef bint dictionary_made        # the loop has, or may have, attributes that have no slot
