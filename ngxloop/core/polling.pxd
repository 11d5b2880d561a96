"""Polling: what the kernel reports becomes posted events."""

from libc.stdint cimport uint32_t, uint64_t

from ngxloop.core.event cimport Connection, ConnectionKind, Event, EventQueue
from ngxloop.core.pool cimport ConnectionPool
from ngxloop.core.poller cimport Poller

cdef class Polling:
    cdef EventQueue ready            # what runs in the next batch
    cdef EventQueue accepts          # listeners with something to accept
    cdef Poller poller
    cdef ConnectionPool pool
    cdef bint closed                 # close() was called
    cdef bint poller_is_new          # its epoll instance does not have every fd yet
    cdef bint room_reported          # it was reported that the kernel has no room for some
    cdef uint64_t stale_key          # the last kernel event that was for a former user of a slot
    cdef uint64_t stale_poll         # the wait that returned it, as poll_count
    cdef bint stale_stays            # it cannot be removed now: the loop rests between waits
    cdef bint stale_reported         # that was reported
    cdef readonly uint64_t poll_count

    cdef void post(self, Event* ev) noexcept
    cdef Connection* connection_claim(self, int fd, ConnectionKind kind, object owner) except NULL
    cdef Connection* connection_new(self, int fd, ConnectionKind kind, object owner) except NULL
    cdef int dispatch(self, int count) except -1
    cdef void drop_interest(self, Connection* connection, uint32_t mask) noexcept
    cdef int drop_stale(self, uint64_t key) except -1
    cdef int try_renew_poller(self) except -1
    cdef int renew_poller(self) except -1
    cdef int watch_again(self) except -1
    cdef int apply_changes(self) except -1

cdef int watch_changed(Polling polling, Connection* connection, uint32_t fresh_mask) except -1
