# cython: nonecheck=True
"""Expiries: those that wait equally long, with one timer for all of them.

How it works. As all of them may wait for the same time, they stand in the order of their deadlines:
who begins to wait goes to the end, and one timer runs for the first. So a connection that is idle
has no timer of its own, which would be a quarter of its memory, and a request costs two changes of
a list. The timer is not moved when the first one leaves: it finds nothing to do then.

Rules. A member stands in one list at most. The list keeps it alive, as the collector can see.
"""

cimport cython
from libc.stdint cimport int64_t

from ngxloop.core.reactor cimport Reactor
from ngxloop.core.timed cimport Timed
from ngxloop.transports.receiver cimport Receiver


cdef class Expiring(Receiver):
    """The base of what can wait in a list; see the file header."""

    cdef int expired(self) except -1:
        """The time is over; the list is left already."""
        raise NotImplementedError(f"{type(self).__name__} does not override expired()")


@cython.final
cdef class Expiries(Timed):
    """One list; see the file header."""

    cdef int add(self, Expiring member) except -1:
        """Let a member wait from now on, here and nowhere else."""
        if self.last is not member:
            if member.expiries is not None:
                member.expiries.remove(member)
            self.append(member)
        if self.delay_ns:
            member.expiry_ns = self.now_ns(self.loop) + self.delay_ns
            if self.deadline_ns == 0:
                self.deadline_set(self.loop, member.expiry_ns)
        return 0

    cdef int append(self, Expiring member) except -1:
        """Put a member that stands nowhere at the end."""
        member.expiries = self
        member.earlier = self.last
        if self.last is None:
            self.first = member
        else:
            self.last.later = member
        self.last = member
        self.count += 1
        return 0

    cdef int remove(self, Expiring member) except -1:
        """Take a member out that stands here."""
        if member.earlier is None:
            self.first = member.later
        else:
            member.earlier.later = member.later
        if member.later is None:
            self.last = member.earlier
        else:
            member.later.earlier = member.earlier
        member.earlier = member.later = None
        member.expiries = None
        self.count -= 1
        return 0

    cdef list members(self):
        """Return all members, those that have waited longest first."""
        cdef list members = []
        cdef Expiring member = self.first
        while member is not None:
            members.append(member)
            member = member.later
        return members

    cdef int deadline_passed(self) except -1:
        cdef int64_t now_ns = self.loop.now_ns()
        cdef Expiring member
        try:
            while self.first is not None and self.first.expiry_ns <= now_ns:
                member = self.first
                self.remove(member)
                member.expired()
        finally:
            if self.first is not None:
                self.deadline_set(self.loop, self.first.expiry_ns)
        return 0


cdef Expiries expiries_new(Reactor loop, int64_t delay_ns):
    """Return an empty list."""
    cdef Expiries expiries = Expiries.__new__(Expiries)
    expiries.loop = loop
    expiries.delay_ns = delay_ns
    return expiries
