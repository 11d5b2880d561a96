"""Expiries: those that wait equally long, with one timer for all of them."""

from libc.stdint cimport int64_t

from ngxloop.core.reactor cimport Reactor
from ngxloop.core.timed cimport Timed
from ngxloop.transports.receiver cimport Receiver

cdef class Expiring(Receiver):
    cdef Expiries expiries           # where it stands; None: nowhere
    cdef Expiring earlier            # its neighbours there; None at the ends
    cdef Expiring later
    cdef int64_t expiry_ns           # when its time is over

    cdef int expired(self) except -1

cdef class Expiries(Timed):
    cdef Reactor loop
    cdef Expiring first
    cdef Expiring last
    cdef Py_ssize_t count
    cdef int64_t delay_ns            # how long each may wait; 0: any time

    cdef int add(self, Expiring member) except -1
    cdef int append(self, Expiring member) except -1
    cdef int remove(self, Expiring member) except -1
    cdef list members(self)

cdef Expiries expiries_new(Reactor loop, int64_t delay_ns)
