"""Selector: the loop's wait, as other packages know it from asyncio's loop."""

cimport cython

from ngxloop.core.stepping cimport Stepping


@cython.final
cdef class Selector:
    cdef dict __dict__               # what a program has replaced
    cdef Stepping loop

    cdef list reported(self, int count)
    cdef int note_replacement(self) except -1
