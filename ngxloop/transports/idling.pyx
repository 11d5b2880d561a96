"""Idling: connections that nobody would miss, closed when there must be room for new ones.

Keep-alive connections between two requests and connections that linger stand in a list of the pool,
the one that has been idle longest first. Some of them are closed when a connection is accepted and
little room is left; or when one becomes idle while there is none, as the worker does not watch its
listeners then. Model: ngx_reusable_connection, ngx_drain_connections.
"""

from ngxloop.core.event cimport Connection
from ngxloop.core.limits cimport REUSE_COUNT_MAX, REUSE_DIVISOR
from ngxloop.core.reactor cimport Reactor


cdef int idle_add(Reactor loop, Connection* connection) except -1:
    """A connection is idle from now on; it may be closed by this call."""
    loop.pool.set_reusable(connection, True)
    return close_idle(loop) if loop.gate.is_full() else 0


cdef int close_idle(Reactor loop) except -1:
    """Close some of the connections that have been idle longest."""
    cdef Connection* idle
    cdef int count = min(REUSE_COUNT_MAX, max(1, <int>loop.pool.reusable_count // REUSE_DIVISOR))
    while count > 0 and loop.pool.reusable_count > 0:
        idle = loop.pool.least_recently_used()
        loop.pool.set_reusable(idle, False)
        transport = <object>idle.owner
        if transport.is_closing():  # it lingers
            transport.abort()
        else:
            transport.close()
        count -= 1
    return 0
