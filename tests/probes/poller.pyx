"""A poller with connections that are known by their fd."""

from libc.stdint cimport uint32_t

from ngxloop.core.event cimport KIND_TRANSPORT, Connection
from ngxloop.core.linux cimport (
    EPOLLERR,
    EPOLLET,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLPRI,
    EPOLLRDHUP,
)
from ngxloop.core.pool cimport ConnectionPool
from ngxloop.core.poller cimport Poller

IN, PRI, OUT, RDHUP = EPOLLIN, EPOLLPRI, EPOLLOUT, EPOLLRDHUP
HUP, ERR, ET = EPOLLHUP, EPOLLERR, EPOLLET


cdef class PollerProbe:
    """The poller, and the pool whose slots it watches."""

    cdef Poller poller
    cdef ConnectionPool pool

    def __cinit__(self):
        self.poller = Poller()
        self.pool = ConnectionPool()

    cdef Connection* connection(self, int fd) except NULL:
        if self.pool.connection_of_fd(fd) == NULL:
            self.pool.connection_get(fd, KIND_TRANSPORT, self.poller)
        return self.pool.connection_of_fd(fd)

    @property
    def fd(self):
        return self.poller.fd

    @property
    def capacity(self):
        return self.poller.capacity

    @property
    def has_pwait2(self):
        """Whether waits use epoll_pwait2; can be set."""
        return bool(self.poller.has_pwait2)

    @has_pwait2.setter
    def has_pwait2(self, bint value):
        self.poller.has_pwait2 = value

    def add(self, int fd, uint32_t mask):
        self.poller.poll_add(self.connection(fd), mask)

    def modify(self, int fd, uint32_t mask):
        self.poller.poll_modify(self.connection(fd), mask)

    def remove(self, int fd):
        self.poller.poll_remove(self.connection(fd))

    def interest(self, int fd):
        return self.connection(fd).interest

    def renew(self, int fd):
        """Give the fd's slot a new user: keys of the former one get stale."""
        self.pool.connection_free(self.connection(fd))
        self.connection(fd)

    def wait(self, timeout_ns):
        """Wait and return {fd: events}; None for an event whose slot has a new user."""
        return self.found(self.poller.wait(timeout_ns))

    def poll(self):
        return self.found(self.poller.poll())

    def grow(self):
        self.poller.grow()

    def close(self):
        self.poller.close()

    cdef dict found(self, int count):
        cdef Connection* connection
        cdef int i
        answer = {}
        for i in range(count):
            connection = self.pool.connection_find(self.poller.events[i].data.u64)
            answer[None if connection == NULL else connection.fd] = self.poller.events[i].events
        return answer
