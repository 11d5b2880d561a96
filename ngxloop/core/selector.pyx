# cython: nonecheck=True
"""Selector: the loop's wait, as other packages know it from asyncio's loop.

It has what they use of selectors.BaseSelector: select(), which waits and posts what the kernel
reports, and get_map(), which shows what is watched. The loop itself watches by other ways, so
nothing can be registered here. select() can be replaced: then each turn of the loop calls the new
one for its wait.
"""

cimport cython
from cpython.object cimport PyObject
from libc.stdint cimport int64_t, uint32_t

import selectors

from ngxloop.core.clock cimport ns_from_seconds
from ngxloop.core.event cimport KIND_WATCHER, Connection
from ngxloop.core.linux cimport EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLPRI, EPOLLRDHUP
from ngxloop.core.stepping cimport Stepping

cdef extern from "Python.h":
    int set_attribute "PyObject_GenericSetAttr"(
        object owner, object name, PyObject* value
    ) except -1


@cython.final
cdef class Selector:
    """What _selector of a loop is; see the file header."""

    def __init__(self, Stepping loop not None):
        self.loop = loop

    def __setattr__(self, name, value):
        set_attribute(self, name, <PyObject*>value)
        self.note_replacement()

    def __delattr__(self, name):
        set_attribute(self, name, NULL)
        self.note_replacement()

    def select(self, timeout=None):
        """Wait until something happens, at most timeout seconds; post what the kernel reports.

        Does not wait if something is ready or the loop is to stop. It may return early without an
        event. It does not look at timers.

        Args:
            timeout: None is for ever, 0 or less not at all.

        Returns:
            A list of (selectors.SelectorKey, mask) for what was posted, and for wake-ups.
        """
        cdef int64_t timeout_ns = -1
        if timeout is not None:
            timeout_ns = max(ns_from_seconds(timeout), 0)
        return self.reported(self.loop.poll_by_hand(timeout_ns))

    def get_map(self):
        """Return a dict of what is watched: a selectors.SelectorKey for each fd."""
        cdef Connection* connection
        cdef uint32_t mask
        cdef uint32_t i
        watched = {}
        for i in range(self.loop.pool.slot_count):
            connection = self.loop.pool.connection_at(i)
            if connection.fd < 0:
                continue
            mask = connection.wanted if connection.kind == KIND_WATCHER else connection.interest
            if mask:
                owner = <object>connection.owner
                key = selector_key(connection.fd, mask, owner)
                watched[key.fd] = key
        return watched

    def get_key(self, fileobj):
        """Return the key of a file descriptor, or of what has one; KeyError if it has none."""
        return self.get_map()[fileobj if isinstance(fileobj, int) else fileobj.fileno()]

    cdef list reported(self, int count):
        """Return what the last wait has brought."""
        cdef Connection* connection
        cdef uint32_t mask
        cdef int i
        reports = []
        for i in range(min(count, self.loop.poller.capacity)):
            connection = self.loop.pool.connection_find(self.loop.poller.events[i].data.u64)
            mask = self.loop.poller.events[i].events
            if connection != NULL:
                owner = <object>connection.owner
                reports.append((selector_key(connection.fd, mask, owner), selector_mask(mask)))
        return reports

    cdef int note_replacement(self) except -1:
        """Let the loop's turns call select() while it is a replaced one."""
        if self.loop is not None and self.loop.selector is self:
            self.loop.selector_replaced = "select" in vars(self)
        return 0


cdef int selector_mask(uint32_t mask) except -1:
    """Return an epoll mask as one of the selectors module; an error counts as both directions."""
    cdef int events = 0
    if mask & (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLERR | EPOLLHUP):
        events |= selectors.EVENT_READ
    if mask & (EPOLLOUT | EPOLLERR | EPOLLHUP):
        events |= selectors.EVENT_WRITE
    return events


cdef object selector_key(int fd, uint32_t mask, owner):
    return selectors.SelectorKey(fd, fd, selector_mask(mask), owner)
