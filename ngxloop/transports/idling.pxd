"""Idling: connections that nobody would miss, closed when there must be room for new ones."""

from ngxloop.core.event cimport Connection
from ngxloop.core.reactor cimport Reactor

cdef int idle_add(Reactor loop, Connection* connection) except -1
cdef int close_idle(Reactor loop) except -1
