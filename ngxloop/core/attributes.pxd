"""LoopAttributes: the state that BaseEventLoop keeps in attributes."""

from ngxloop.core.reactor cimport Reactor

cdef class LoopAttributes(Reactor):
    pass
