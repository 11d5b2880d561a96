"""Completing a future that may be done already."""

cdef int complete(future, result) except -1
cdef int complete_failed(future, exc) except -1
