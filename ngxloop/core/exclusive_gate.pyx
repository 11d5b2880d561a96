"""ExclusiveGate: the kernel wakes one worker for each connection (EPOLLEXCLUSIVE), nginx >= 1.21.6.

How it works. The workers that wait for a listening socket are in a queue of the socket, in the
order in which they added it to epoll; an exclusive wake-up goes to the first one that sleeps. So
the same worker would get everything. A worker that leaves and enters again is at the end of the
queue: nginx does so after every 16th accept from a listener (ngx_reorder_accept_events).

Rules. An exclusive wake-up is consumed by the worker it goes to. A worker that cannot use it, for
example because it is out of fds, wakes the others, which enter again: entering checks the
socket. epoll_ctl(2) does not allow modifying an exclusive entry; it is removed and added.
"""

from ngxloop.core.event cimport Connection
from ngxloop.core.limits cimport ACCEPTS_PER_REQUEUE
from ngxloop.core.linux cimport EPOLLEXCLUSIVE, EPOLLIN
from ngxloop.core.shared_gate cimport SharedGate


cdef class ExclusiveGate(SharedGate):
    """The gate of mode exclusive; see the file header."""

    def __cinit__(self, *args, **kwargs):
        self.mask = EPOLLIN | EPOLLEXCLUSIVE

    cdef int accepted(self, Connection* listener) except -1:
        cdef bint due = False
        cdef int i
        SharedGate.accepted(self, listener)
        for i in range(self.listener_count):
            if self.listeners[i].connection == listener:
                due = self.listeners[i].accept_count % ACCEPTS_PER_REQUEUE == 0
                self.listeners[i].accept_count += 1
        if due or self.is_nearly_full():
            self.requeue(listener)
        return 0

    cdef int listener_remove(self, Connection* listener) except -1:
        cdef bint unused = listener.read.posted
        SharedGate.listener_remove(self, listener)
        if unused:
            self.board.ring_all()
        return 0

    cdef int pause(self) except -1:
        SharedGate.pause(self)
        self.board.ring_all()
        return 0

    cdef int woken_by_other(self) except -1:
        """Another worker could not use its wake-up: check the sockets by entering again."""
        self.unwatch()
        self.unsettled = True
        return 0

    cdef int requeue(self, Connection* listener) except -1:
        """Leave the queue of a socket; settle() enters again, at its end."""
        if listener.interest:
            self.poller.poll_remove(listener)
        return 0
