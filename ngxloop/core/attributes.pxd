"""LoopAttributes: the state that BaseEventLoop keeps in attributes."""

from ngxloop.core.reactor cimport Reactor

cdef class LoopAttributes(Reactor):
    cdef bint dictionary_made        # the loop has, or may have, attributes that have no slot
