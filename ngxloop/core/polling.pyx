"""Polling: what the kernel reports becomes posted events.

Rules. An epoll event is posted to the queue of its kind, unless its slot has another user by now.
Changes that watchers request are passed to epoll before the next wait. A new epoll instance, after
a fork or to get rid of an entry that cannot be removed any more, is given the entries of the old
one before the next wait, too.
"""

from libc.errno cimport ENOMEM, ENOSPC, errno
from libc.stdint cimport uint32_t, uint64_t

from ngxloop.core.event cimport (
    DRAIN_END,
    DRAIN_MORE,
    KIND_WATCHER,
    Connection,
    ConnectionKind,
    Event,
)
from ngxloop.core.limits cimport STALE_REST_MS
from ngxloop.core.linux cimport (
    EPOLLERR,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLPRI,
    EPOLLRDHUP,
    F_GETFD,
    epoll_event,
    fcntl,
)
from ngxloop.core.oserr cimport raise_os_error
from ngxloop.core.poller cimport Poller
from ngxloop.core.pool cimport ConnectionPool
from ngxloop.core.ready cimport event_post, queue_init


cdef class Polling:
    """The part of the loop that stands between epoll and its queues; see the file header."""

    def __cinit__(self, *args, **kwargs):
        self.closed = True  # until there is something to close: __del__ checks
        queue_init(&self.ready)
        queue_init(&self.accepts)
        self.poller = Poller()
        self.pool = ConnectionPool()

    cdef void post(self, Event* ev) noexcept:
        """Make an event run in the next batch, unless it is in a queue already."""
        if not ev.posted:
            event_post(&self.ready, ev)

    cdef Connection* connection_claim(self, int fd, ConnectionKind kind, object owner) except NULL:
        """Return a clean slot for an fd that is about to be used; forget a former user.

        A watcher's slot is given back: its file was closed without remove_reader(), or epoll still
        holds the interest of a wait that is over, or the file is taken over from its reader.

        Raises:
            RuntimeError: a transport or a listener has the fd.
            ValueError: fd is negative.
            OSError: nothing has this number.
        """
        cdef Connection* former = self.pool.connection_of_fd(fd)
        if former != NULL:
            if former.kind != KIND_WATCHER:
                owner = <object>former.owner
                raise RuntimeError(f"File descriptor {fd} is used by transport {owner!r}")
            drop_watcher(self, former)
        return self.connection_new(fd, kind, owner)

    cdef Connection* connection_new(self, int fd, ConnectionKind kind, object owner) except NULL:
        """Return a clean slot for an fd that has none; the table does not grow for a wrong number.
        """
        if fd >= self.pool.by_fd_size and fcntl(fd, F_GETFD) < 0:
            raise_os_error(errno, f"fcntl(fd={fd})")
        return self.pool.connection_get(fd, kind, owner)

    cdef int dispatch(self, int count) except -1:
        """Post the events of the last wait, drop those for a former user of a slot; return count.

        Python code runs only when all are posted: a nested turn overwrites them.
        """
        cdef Connection* connection
        cdef epoll_event* kernel_event
        cdef bint has_stale = False
        cdef uint64_t stale_key = 0
        cdef int i
        for i in range(count):
            kernel_event = &self.poller.events[i]
            connection = self.pool.connection_find(kernel_event.data.u64)
            if connection == NULL:
                if not has_stale:
                    has_stale, stale_key = True, kernel_event.data.u64
            else:
                post_directions(self, connection, fold_mask(connection, kernel_event.events))
        if count == self.poller.capacity:
            self.poller.grow()
        if has_stale:
            self.drop_stale(stale_key)
        else:
            self.stale_stays = False
        return count

    cdef void drop_interest(self, Connection* connection, uint32_t mask) noexcept:
        """Remove an interest that nothing waits for: level-triggered, it would end every wait."""
        if connection.interest & mask:
            connection.wanted &= ~mask
            self.pool.mark_changed(connection)

    cdef int drop_stale(self, uint64_t key) except -1:
        """Record an event for a former user of a slot; replace the epoll instance if it repeats.

        The fd was closed, but a duplicate keeps its file open: epoll continues to report it, and it
        cannot be removed any more. Only a new epoll instance is free of it. An event that ends the
        very next wait as well is level-triggered and would end them all.
        """
        if self.stale_poll == self.poll_count:  # this wait counts once
            return 0
        if key == self.stale_key or self.stale_poll + 1 == self.poll_count:
            self.try_renew_poller()
        self.stale_key = key
        self.stale_poll = self.poll_count
        return 0

    cdef int try_renew_poller(self) except -1:
        """Replace the epoll instance; without a free fd the loop rests between waits until then.

        Every wait that a stale event ends tries again. It is reported once.
        """
        try:
            self.renew_poller()
        except OSError as exc:
            self.stale_stays = True
            if not self.stale_reported:
                self.stale_reported = True
                self.call_exception_handler({
                    "message": "epoll reports a file that was closed, and cannot be renewed: "
                               f"the loop wakes up every {STALE_REST_MS} ms until it can",
                    "exception": exc,
                })
        else:
            self.stale_stays = self.stale_reported = False
        return 0

    cdef int renew_poller(self) except -1:
        """Replace the epoll instance by an empty one."""
        self.poller.renew()
        self.poller_is_new = True
        return 0

    cdef int watch_again(self) except -1:
        """Register with a new epoll instance what the old one had.

        What it has no room for now is tried again in the next turn, which begins after a rest.
        """
        cdef Connection* connection
        cdef object failure = None
        cdef uint32_t i
        for i in range(self.pool.slot_count):
            connection = self.pool.connection_at(i)
            if connection.fd < 0 or not connection.interest:
                continue
            if connection.kind == KIND_WATCHER:
                watch_or_drop(self, connection, True)
            else:
                failure = watch_or_run(self, connection) or failure
        self.poller_is_new = failure is not None  # last: after an exception all are tried again
        if failure is None:
            self.room_reported = False
        elif not self.room_reported:
            self.room_reported = True
            self.call_exception_handler({
                "message": "epoll has no room for a connection: the loop wakes up every "
                           f"{STALE_REST_MS} ms until it has",
                "exception": failure,
            })
        return 0

    cdef int apply_changes(self) except -1:
        """Pass to the poller what watchers want; a watcher that wants nothing loses its slot."""
        cdef Connection* connection = self.pool.changed
        while connection != NULL:
            self.pool.changed = connection.next
            connection.next = NULL
            connection.changed = 0
            if connection.wanted == 0:
                drop_watcher(self, connection)
            elif connection.wanted != connection.interest:
                watch_or_drop(self, connection, False)
            connection = self.pool.changed
        return 0


# What epoll reports when the peer has ended or reset the connection.
cdef enum:
    ENDS = EPOLLERR | EPOLLHUP | EPOLLRDHUP


cdef inline uint32_t fold_mask(Connection* connection, uint32_t mask) noexcept:
    """Express what the kernel reports by EPOLLIN and EPOLLOUT: an error or an end is read."""
    if mask & (EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLPRI):
        connection.read.drain |= DRAIN_END if mask & ENDS else DRAIN_MORE
        mask |= EPOLLIN
        if mask & (EPOLLERR | EPOLLHUP):  # it concerns both directions
            mask |= EPOLLOUT
    return mask


cdef inline void post_directions(Polling polling, Connection* connection, uint32_t mask) noexcept:
    """Post the events of a connection that mask names, if something waits for them."""
    if mask & EPOLLIN:
        connection.read.ready = 1
        if connection.read.active and not connection.read.posted:
            event_post(
                &polling.accepts if connection.read.accept else &polling.ready, &connection.read
            )
        elif connection.kind == KIND_WATCHER and not connection.read.active:
            polling.drop_interest(connection, EPOLLIN)
    if mask & EPOLLOUT:
        connection.write.ready = 1
        if connection.write.active and not connection.write.posted:
            event_post(&polling.ready, &connection.write)
        elif connection.kind == KIND_WATCHER and not connection.write.active:
            polling.drop_interest(connection, EPOLLOUT)


cdef int drop_watcher(Polling polling, Connection* connection) except -1:
    """Stop watching an fd and give its slot back."""
    try:
        if connection.interest:
            polling.poller.poll_remove(connection)
    finally:
        polling.pool.connection_free(connection)
    return 0


cdef int watch_or_drop(Polling polling, Connection* connection, bint anew) except -1:
    """Pass to epoll what a watcher wants; what it refuses is no longer watched.

    If the kernel has no memory, its entry stays as it was: only what was added is lost, and what
    was removed goes when an event finds that nothing waits. Else the file was closed by others.
    """
    cdef int fd = connection.fd
    cdef object watcher = <object>connection.owner
    cdef uint32_t kept = 0
    try:
        if anew:
            polling.poller.poll_add(connection, connection.interest)
        else:
            watch_changed(polling, connection, 0)
    except OSError as exc:
        if not anew and exc.errno in (ENOMEM, ENOSPC):
            kept = connection.wanted & connection.interest
            if kept == connection.wanted:
                return 0
        message = f"fd {fd} is no longer watched: {watcher!r}"
        is_missed = watcher._refused(exc, ~kept)
        if kept:
            connection.wanted = kept
            watcher._forget_all_but(kept)
        else:  # before the handler is called: it may watch the number anew
            polling.pool.connection_free(connection)
        if not is_missed:
            return 0
        polling.call_exception_handler({
            "message": message,
            "exception": exc,
        })
    return 0


cdef int watch_changed(Polling polling, Connection* connection, uint32_t fresh_mask) except -1:
    """Pass to epoll what a watcher wants; fresh_mask is requested right now.

    If the number is another file's by now, that one is watched for what was requested since the
    last call of epoll. Earlier waits were for the former file, which is not reported any more.
    """
    fresh_mask |= connection.wanted & ~connection.interest
    if polling.poller.poll_change(connection, connection.wanted, fresh_mask):
        connection.wanted = fresh_mask
        (<object>connection.owner)._forget_all_but(fresh_mask)
    return 0


cdef object watch_or_run(Polling polling, Connection* connection):
    """Watch an fd of the loop's own; return the OSError if the kernel has no room for it now.

    If the fd was closed by others, the next receive fails.
    """
    try:
        polling.poller.poll_add(connection, connection.interest)
    except OSError as exc:
        if exc.errno in (ENOMEM, ENOSPC):
            return exc
        polling.post(&connection.read)
    return None
