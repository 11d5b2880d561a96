"""Poller: one epoll instance.

Rules. Transports are registered once, edge-triggered (IN|RDHUP|ET), and OUT joins at the first
EAGAIN; fds of users are level-triggered. The poller does not distinguish them: its callers pass
masks. An fd may have been closed behind our back, and its number may be another file by now. So
modifying falls back to adding (ENOENT), adding to modifying (EEXIST), and removing ignores errors:
the kernel dropped the registration with the file (epoll(7), question 6).

Time-outs are nanoseconds. epoll_wait, for kernels without epoll_pwait2, rounds up to a millisecond,
so that a timer is never early.
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.errno cimport EEXIST, EINTR, ENOENT, ENOSYS, EPERM, errno
from libc.stdint cimport int64_t, uint32_t
from posix.time cimport timespec

from ngxloop.core.clock cimport NS_PER_MS, NS_PER_SECOND, clock_ns
from ngxloop.core.event cimport Connection
from ngxloop.core.limits cimport POLL_EVENT_COUNT, POLL_EVENT_COUNT_MAX, STALE_REST_MS
from ngxloop.core.linux cimport (
    EPOLL_CLOEXEC,
    EPOLL_CTL_ADD,
    EPOLL_CTL_DEL,
    EPOLL_CTL_MOD,
    epoll_create1,
    epoll_ctl,
    epoll_event,
    epoll_pwait2,
    epoll_wait,
)
from ngxloop.core.linux cimport close as close_fd
from ngxloop.core.linux cimport poll as poll_fds
from ngxloop.core.oserr cimport raise_os_error, replace_fd
from ngxloop.core.pool cimport connection_key


@cython.final
cdef class Poller:
    """One epoll instance; see the file header."""

    def __cinit__(self):
        self.fd = -1
        self.has_pwait2 = True
        self.capacity = POLL_EVENT_COUNT
        self.events = <epoll_event*>PyMem_Malloc(self.capacity * sizeof(epoll_event))
        if self.events == NULL:
            raise MemoryError("no memory for kernel events")
        self.fd = epoll_create1(EPOLL_CLOEXEC)
        if self.fd < 0:
            raise_os_error(errno, "epoll_create1()")

    def __dealloc__(self):
        if self.fd >= 0:
            close_fd(self.fd)
        PyMem_Free(self.events)

    cdef int poll_add(self, Connection* connection, uint32_t mask) except -1:
        """Watch a connection's fd; if it is watched already, change what for."""
        if control(self.fd, EPOLL_CTL_ADD, connection, mask) < 0:
            if errno != EEXIST or control(self.fd, EPOLL_CTL_MOD, connection, mask) < 0:
                raise_os_error(errno, f"epoll_ctl(ADD, fd={connection.fd})")
        connection.interest = mask
        return 0

    cdef int poll_modify(self, Connection* connection, uint32_t mask) except -1:
        """Change what a connection's fd is watched for; if it no longer is watched, add it."""
        return self.poll_change(connection, mask, mask)

    cdef int poll_change(
        self, Connection* connection, uint32_t mask, uint32_t fresh_mask
    ) except -1:
        """Change what a connection's fd is watched for; return 1 if its number is another file's.

        Args:
            fresh_mask: what that other file is watched for; FileNotFoundError if it is 0.
        """
        if control(self.fd, EPOLL_CTL_MOD, connection, mask) == 0:
            connection.interest = mask
            return 0
        if errno == ENOENT:
            connection.generation += 1  # a duplicate may keep the former file in epoll
            connection.interest = 0
            if fresh_mask and control(self.fd, EPOLL_CTL_ADD, connection, fresh_mask) == 0:
                connection.interest = fresh_mask
                return 1
        raise_os_error(errno, f"epoll_ctl(MOD, fd={connection.fd})")

    cdef int poll_remove(self, Connection* connection) except -1:
        """Stop watching a connection's fd.

        No error is raised: either the kernel has dropped the registration with the file, or what it
        continues to report is dropped as stale, see Polling.drop_stale().
        """
        connection.interest = 0
        control(self.fd, EPOLL_CTL_DEL, connection, 0)
        return 0

    cdef int wait(self, int64_t timeout_ns) except -1:
        """Wait for events without the GIL, for ever if timeout_ns is negative; return their number.

        A signal ends the wait with 0 events.
        """
        cdef timespec limit
        cdef timespec* limit_pointer = NULL
        cdef int count
        if timeout_ns >= 0:
            limit.tv_sec = timeout_ns // NS_PER_SECOND
            limit.tv_nsec = timeout_ns % NS_PER_SECOND
            limit_pointer = &limit
        with nogil:
            if self.has_pwait2:
                count = epoll_pwait2(self.fd, self.events, self.capacity, limit_pointer)
                # EPERM is what a seccomp filter that predates the call answers
                if count < 0 and (errno == ENOSYS or errno == EPERM):
                    self.has_pwait2 = False
                    count = self.wait_coarse(timeout_ns)
            else:
                count = self.wait_coarse(timeout_ns)
        return self.count_or_raise(count)

    cdef int spin(self, int64_t limit_ns) except -1:
        """Poll again and again, for limit_ns at most, without the GIL and without sleeping.

        Return their number.
        """
        cdef int64_t end_ns = clock_ns() + limit_ns
        cdef int count
        with nogil:
            while True:
                count = epoll_wait(self.fd, self.events, self.capacity, 0)
                if count != 0 or clock_ns() >= end_ns:
                    break
        return self.count_or_raise(count)

    cdef int rest(self, int64_t timeout_ns) except -1:
        """Sleep STALE_REST_MS, or timeout_ns if that is less; then fetch the events.

        Only a signal ends the sleep earlier. Rounded up to a millisecond, as epoll_wait.
        """
        cdef int64_t duration_ms = STALE_REST_MS
        if 0 <= timeout_ns < duration_ms * NS_PER_MS:
            duration_ms = (timeout_ns + NS_PER_MS - 1) // NS_PER_MS
        with nogil:
            poll_fds(NULL, 0, <int>duration_ms)
        return self.poll()

    cdef int poll(self) except -1:
        """Fetch the events that are there; the call cannot block, so the GIL is kept."""
        return self.count_or_raise(epoll_wait(self.fd, self.events, self.capacity, 0))

    cdef int wait_coarse(self, int64_t timeout_ns) noexcept nogil:
        cdef int64_t timeout_ms = -1
        if timeout_ns >= 0:
            timeout_ms = (timeout_ns + NS_PER_MS - 1) // NS_PER_MS
        return epoll_wait(self.fd, self.events, self.capacity, <int>timeout_ms)

    cdef int count_or_raise(self, int count) except -1:
        if count >= 0:
            return count
        if errno == EINTR:
            return 0
        raise_os_error(errno, f"epoll_wait(epfd={self.fd})")

    cdef int grow(self) except -1:
        """Make room for twice as many events after a wait that filled the array."""
        cdef epoll_event* events
        if self.capacity >= POLL_EVENT_COUNT_MAX:
            return 0
        events = <epoll_event*>PyMem_Realloc(self.events, 2 * self.capacity * sizeof(epoll_event))
        if events != NULL:  # without it the rest comes with the next wait
            self.events = events
            self.capacity *= 2
        return 0

    cdef int renew(self) except -1:
        """Replace the epoll instance by an empty one: a forked child shares the old one."""
        cdef Poller fresh = Poller()
        return replace_fd(fresh.fd, self.fd)

    cdef int close(self) except -1:
        """Close the epoll fd; harmless when closed."""
        if self.fd >= 0:
            close_fd(self.fd)
            self.fd = -1
        return 0


cdef inline int control(
    int poller_fd, int operation, Connection* connection, uint32_t mask
) noexcept:
    cdef epoll_event event
    event.events = mask
    event.data.u64 = connection_key(connection)
    return epoll_ctl(poller_fd, operation, connection.fd, &event)
