"""AcceptGate: decides when this process watches its listeners.

The turn calls the gate twice: before_wait() decides whether the listeners are watched during the
coming wait, and how long it may last; after_accepts() follows the accepts of the turn (a mutex is
released there). accepted() and connection_closed() are called for each connection. This class is
the gate of a process that listens alone: always open. Its subclasses share listening sockets with
other workers.

Rules. A listening fd is level-triggered: a connection that was not taken is reported again. The
decision is taken only in before_wait() or right after an accept, never between an event and its
accept: an exclusive wake-up was meant for this process alone and would be lost. Entering is
EPOLL_CTL_ADD, which checks the queue at once, so a connection that waits already is seen.
Models: ngx_enable_accept_events, ngx_disable_accept_events, ngx_trylock_accept_mutex.
"""

from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.stdint cimport int64_t, uint64_t

from ngxloop.core.event cimport Connection
from ngxloop.core.linux cimport EPOLLIN
from ngxloop.core.poller cimport Poller
from ngxloop.core.waker cimport Waker


cdef class AcceptGate:
    """The gate of a process that listens alone; see the file header."""

    def __cinit__(self, *args, **kwargs):
        self.wakeup_fd = -1
        self.mask = EPOLLIN
        self.accept_limit = 128  # asyncio accepts up to its backlog (100) for one event

    def __dealloc__(self):
        PyMem_Free(self.listeners)

    cdef int attach(self, Poller poller, Connection* wakeup, Waker waker) except -1:
        """A loop takes the gate.

        Args:
            wakeup: the slot that watches wakeup_fd, or NULL.
            waker: ends the loop's wait.
        """
        self.poller = poller
        self.wakeup = wakeup
        return 0

    cdef void count_bytes(self, const uint64_t* received, const uint64_t* sent) noexcept:
        """Take the counters of the loop, which has attached the gate; they are there until
        loop_closed()."""

    cdef int64_t before_wait(self, bint may_block) except? -2:
        """Return how long the wait may last at most, in ns; -1 sets no bound.

        may_block is False if the loop has something to run and only polls.
        """
        return -1

    cdef int accepted(self, Connection* listener) except -1:
        """Count a connection that this process has accepted from listener."""
        self.active += 1
        return 0

    cdef int after_accepts(self) except -1:
        """The accepts of this turn are done."""
        return 0

    cdef bint wants_room(self) noexcept:
        """True if idle connections are to be closed, so that there is room for new ones."""
        return False

    cdef bint is_full(self) noexcept:
        """True if nothing is accepted before a connection is gone."""
        return False

    cdef void accept_missed(self) noexcept:
        """A listener was reported, but another process had taken the connection."""

    cdef void connection_closed(self) noexcept:
        """An accepted connection is gone."""
        self.active -= 1

    cdef void turns_ended(self) noexcept:
        """The loop stops running, perhaps in the middle of a turn: release what others need."""

    cdef void loop_closed(self) noexcept:
        """The loop is closed and will not run again; it has freed, or frees, all slots."""
        self.wakeup = NULL
        self.listener_count = 0
        self.watching = False

    cdef void forked(self) noexcept:
        """This process is a fork of the one that took the gate, and has a copy of its loop."""

    cdef int listener_add(self, Connection* listener) except -1:
        """Take a listener; it is watched at once if the others are."""
        if self.listener_count == self.listener_capacity:
            self.grow()
        self.listeners[self.listener_count].connection = listener
        self.listeners[self.listener_count].accept_count = 0
        self.listeners[self.listener_count].is_served = False
        self.listener_count += 1
        if self.watching:
            self.poller.poll_add(listener, self.mask)
        elif self.starts_watching():
            self.watch()
        return 0

    cdef int listener_remove(self, Connection* listener) except -1:
        """Give a listener back; it is no longer watched."""
        cdef int i
        for i in range(self.listener_count):
            if self.listeners[i].connection == listener:
                self.listener_count -= 1
                self.listeners[i] = self.listeners[self.listener_count]
                break
        if listener.interest:
            self.poller.poll_remove(listener)
        if self.listener_count == 0:
            self.watching = False
        return 0

    cdef bint starts_watching(self) noexcept:
        """True if a first listener is to be watched at once, not when before_wait() says so."""
        return not self.paused

    cdef int pause(self) except -1:
        """Stop accepting until resume(): the process is out of fds or memory."""
        self.paused = True
        return self.unwatch()

    cdef int resume(self) except -1:
        """Accept again."""
        self.paused = False
        if self.starts_watching():
            self.watch()
        return 0

    cdef int watch(self) except -1:
        """Put all listeners into epoll, including those that were taken out one by one."""
        cdef int i
        if self.listener_count == 0:
            return 0
        self.watching = True
        for i in range(self.listener_count - 1, -1, -1):  # enter() may remove the one at i
            if not self.listeners[i].connection.interest:
                self.enter(self.listeners[i].connection)
        return 0

    cdef int enter(self, Connection* listener) except -1:
        """Put one listener into epoll."""
        return self.poller.poll_add(listener, self.mask)

    cdef int unwatch(self) except -1:
        """Take all listeners out of epoll."""
        cdef int i
        if not self.watching:
            return 0
        for i in range(self.listener_count):
            if self.listeners[i].connection.interest:
                self.poller.poll_remove(self.listeners[i].connection)
        self.watching = False
        return 0

    cdef int grow(self) except -1:
        cdef int capacity = max(4, 2 * self.listener_capacity)
        cdef WatchedListener* listeners = <WatchedListener*>PyMem_Realloc(
            self.listeners, capacity * sizeof(WatchedListener)
        )
        if listeners == NULL:
            raise MemoryError("no memory for more listeners")
        self.listeners = listeners
        self.listener_capacity = capacity
        return 0
