"""FdWatching: add_reader, add_writer and the like.

Rules. One slot per fd carries reader and writer. Users' fds are level-triggered: a callback is
called again until it has drained its fd. O_NONBLOCK is left to the user. An add goes to epoll at
once if nothing waits for the fd, or if the same direction was watched before: the number may be
another file's by now (one MOD shows it), and PermissionError for a regular file must reach the
caller. Other changes are noted in the slot and applied before the next wait, so that an add and a
remove in between cost nothing. If the number turns out to be another file's, what waited for the
former file is forgotten. An event that is posted when its callback is removed or replaced was meant
for that callback and is dropped: the new one may block on an fd that the old one has drained.

An object with fileno() is kept alive while it is watched, and is found again when it is closed and
has no number any more: programs close their socket first and remove the reader then.
"""

from libc.stdint cimport uint32_t

from weakref import ref

from ngxloop.core.event cimport KIND_LISTENER, KIND_TRANSPORT, KIND_WATCHER, Connection, Event
from ngxloop.core.handle cimport (
    Handle,
    handle_call_with,
    handle_cancel,
    handle_forget,
    handle_new,
)
from ngxloop.core.linux cimport EPOLLIN, EPOLLOUT
from ngxloop.core.polling cimport watch_changed
from ngxloop.core.ready cimport event_unpost
from ngxloop.core.scheduling cimport Scheduling


cdef class Waiter:
    """A callback that is notified when its fd is no longer watched."""

    cdef int fail_wait(self, exc) except -1:
        raise NotImplementedError


cdef class Watcher:
    """The reader and the writer of one of the user's fds; the owner of its slot."""

    def __repr__(self):
        return repr(self.reader if self.reader is not None else self.writer)

    def _loop_closed(self):
        """The loop closes: the fd belongs to the user and stays open."""
        self.reader = self.writer = self.loop = self.fileobj = None

    def _refused(self, exc, uint32_t mask):
        """Fail the waits: epoll refuses the fd; return True if a callback waits as well."""
        cdef Handle handle
        cdef bint is_missed = False
        cdef uint32_t direction
        for direction, handle in ((EPOLLIN, self.reader), (EPOLLOUT, self.writer)):
            if handle is None or not mask & direction:
                continue
            if isinstance(handle._callback, Waiter):
                (<Waiter>handle._callback).fail_wait(exc)
            else:
                is_missed = True
        return is_missed

    def _forget_all_but(self, mask):
        """The number is another file's: cancel what waited for the former one."""
        cdef Connection* connection
        cdef Handle reader = None
        cdef Handle writer = None
        if self.loop is None:  # half made, or the loop is closed
            return
        connection = self.loop.pool.connection_of_fd(self.fd)
        if connection == NULL or connection.owner != <void*>self:
            return
        if not mask & EPOLLIN:
            reader, self.reader = self.reader, None
            set_active(&connection.read, False)
        if not mask & EPOLLOUT:
            writer, self.writer = self.writer, None
            set_active(&connection.write, False)
        if reader is not None:  # last: freeing what it held may run any code
            watcher_cancel(reader)
        if writer is not None:
            watcher_cancel(writer)


cdef class FdWatching(Scheduling):
    """The part of the event loop that watches the fds of users."""

    def add_reader(self, fd, callback, *args):
        """Call callback(*args) whenever fd is readable, until remove_reader().

        Args:
            fd: a file descriptor, or an object with fileno(). It stays as it is: level-triggered,
                O_NONBLOCK untouched.

        Raises:
            ValueError: fd is not a file descriptor.
            RuntimeError: the fd belongs to a transport.
            PermissionError: epoll cannot watch this kind of file, a regular file for example.
        """
        self._ensure_fd_no_transport(fd)
        self.watch_fd(fd, False, callback, args, None)

    def add_writer(self, fd, callback, *args):
        """Call callback(*args) whenever fd is writable, until remove_writer(); see add_reader."""
        self._ensure_fd_no_transport(fd)
        self.watch_fd(fd, True, callback, args, None)

    def remove_reader(self, fd):
        """Stop watching fd for reading; return False if it was not watched."""
        self._ensure_fd_no_transport(fd)
        return self.unwatch_fd(fd, False)

    def remove_writer(self, fd):
        """Stop watching fd for writing; return False if it was not watched."""
        self._ensure_fd_no_transport(fd)
        return self.unwatch_fd(fd, True)

    # The hooks of BaseEventLoop's own machinery; context= is new in 3.15.

    def _add_reader(self, fd, callback, *args, context=None):
        return self.watch_fd(fd, False, callback, args, context)

    def _add_writer(self, fd, callback, *args, context=None):
        return self.watch_fd(fd, True, callback, args, context)

    def _remove_reader(self, fd):
        return self.unwatch_fd(fd, False)

    def _remove_writer(self, fd):
        return self.unwatch_fd(fd, True)

    def _ensure_fd_no_transport(self, fd):
        cdef object number = number_of_fileobj(fd)
        if number >= 0:  # add_reader() and the like raise the right error
            self.refuse_transport(fd, number)

    def _has_transport(self, fd):
        """Return whether a transport has the fd: one that is closing has it until it is lost."""
        cdef object number = number_of_fileobj(fd)
        cdef Connection* connection
        if number < 0 or self.closed:
            return False
        connection = self.pool.connection_of_fd(fd_of_number(number))
        return connection != NULL and connection.kind == KIND_TRANSPORT

    cdef int refuse_transport(self, fileobj, int fd) except -1:
        """Raise RuntimeError if an open transport has the fd."""
        cdef Connection* connection = self.pool.connection_of_fd(fd)
        if connection == NULL or self.closed:
            return 0
        if connection.kind == KIND_TRANSPORT or connection.kind == KIND_LISTENER:
            owner = <object>connection.owner
            if not owner.is_closing():
                raise RuntimeError(f"File descriptor {fileobj!r} is used by transport {owner!r}")
        return 0

    cdef Handle watch_fd(self, fileobj, bint writing, callback, args, context):
        cdef int fd
        cdef Connection* connection
        cdef Handle handle
        self.check_open()
        fd = fileobj_to_fd(fileobj)
        handle = handle_new(self, callback, args, context, self.origin())
        connection = self.watcher_connection(fd)
        self.request(connection, EPOLLOUT if writing else EPOLLIN)
        if not isinstance(fileobj, int):
            (<Watcher>connection.owner).fileobj = fileobj
        set_handle(connection, writing, handle)
        return handle

    cdef int waitable_fd(self, sock) except -1:
        """Return the fd of a socket that a sock_* call is about to wait for."""
        cdef int fd = socket_to_fd(sock)
        self.refuse_transport(fd, fd)
        return fd

    cdef Handle wait_fd(self, int fd, sock, bint writing, callback):
        """Watch a socket's fd for one wait, of which many may follow: see end_wait_fd().

        epoll holds the interest of a wait before, if that was for the same socket object.
        """
        cdef uint32_t mask = EPOLLOUT if writing else EPOLLIN
        cdef Connection* connection
        cdef Watcher watcher
        cdef Handle handle
        self.check_open()
        handle = handle_new(self, callback, (), None, self.origin())
        connection = self.watcher_connection(fd)
        watcher = <Watcher>connection.owner
        if not connection.wanted & mask or watcher.sock is None or watcher.sock() is not sock:
            self.request(connection, mask)
            watcher.sock = weak_reference(sock)
        set_handle(connection, writing, handle)
        return handle

    cdef int end_wait_fd(self, int fd, bint writing, Handle handle) except -1:
        """End a wait. The interest stays in epoll until an event finds that nothing waits."""
        cdef Connection* connection = self.pool.connection_of_fd(fd)
        cdef Watcher watcher
        if self.closed or connection == NULL or connection.kind != KIND_WATCHER:
            return 0
        watcher = <Watcher>connection.owner
        if writing and watcher.writer is handle:
            watcher.writer = None
            set_active(&connection.write, False)
        elif not writing and watcher.reader is handle:
            watcher.reader = None
            set_active(&connection.read, False)
        else:  # replaced, or removed
            return 0
        set_idle(self, connection)
        return watcher_cancel(handle)

    cdef object unwatch_fd(self, fileobj, bint writing):
        cdef Connection* connection
        cdef Watcher watcher
        cdef Handle handle
        if self.closed:
            return False
        connection = self.watched(fileobj)
        if connection == NULL or connection.kind != KIND_WATCHER:
            return False
        watcher = <Watcher>connection.owner
        handle = watcher.writer if writing else watcher.reader
        if handle is None:
            return False
        connection.wanted &= ~(EPOLLOUT if writing else EPOLLIN)
        self.pool.mark_changed(connection)
        if writing:
            watcher.writer = None
            set_active(&connection.write, False)
        else:
            watcher.reader = None
            set_active(&connection.read, False)
        set_idle(self, connection)
        if connection.idle:
            watcher.fileobj = None
        watcher_cancel(handle)
        return True

    cdef Connection* watched(self, fileobj) except? NULL:
        """Return the slot that a file or its number stands for; NULL if there is none."""
        cdef Connection* connection
        cdef object number = number_of_fileobj(fileobj)
        cdef int fd
        if number >= 0:
            return self.pool.connection_of_fd(number)
        for fd in range(self.pool.by_fd_size):  # closed before it was removed
            connection = self.pool.by_fd[fd]
            if connection == NULL or connection.kind != KIND_WATCHER:
                continue
            if (<Watcher>connection.owner).fileobj is fileobj:
                return connection
        fd_of_number(number)  # which raises

    cdef Connection* watcher_connection(self, int fd) except NULL:
        """Return the slot that watches fd; a new one if need be."""
        cdef Connection* connection
        if self.poller_is_new:
            self.watch_again()  # first: the fd would look like another file; and slots may go
        connection = self.pool.connection_of_fd(fd)
        if connection != NULL:
            if connection.kind != KIND_WATCHER:
                owner = <object>connection.owner
                raise RuntimeError(f"File descriptor {fd} is used by transport {owner!r}")
            return connection
        connection = self.connection_new(fd, KIND_WATCHER, watcher_new(self, fd))
        connection.read.handler = watcher_read
        connection.write.handler = watcher_write
        return connection

    cdef int request(self, Connection* connection, uint32_t mask) except -1:
        """Request an interest: with the next wait, or at once as the file header describes."""
        connection.wanted |= mask
        if connection.interest and not connection.idle and not connection.interest & mask:
            self.pool.mark_changed(connection)
            return 0
        try:
            if connection.interest:
                watch_changed(self, connection, mask)
            else:
                self.poller.poll_add(connection, mask)
        except OSError:
            self.pool.connection_free(connection)
            raise
        return 0


cdef Watcher watcher_new(FdWatching loop, int fd):
    cdef Watcher watcher = Watcher.__new__(Watcher)
    watcher.loop = loop
    watcher.fd = fd
    return watcher


cdef int set_handle(Connection* connection, bint writing, Handle handle) except -1:
    """Let a handle wait for one direction, in place of any former one."""
    cdef Watcher watcher = <Watcher>connection.owner
    cdef Handle former
    if connection.idle:
        watcher.loop.pool.set_idle(connection, False)
    if writing:
        former, watcher.writer = watcher.writer, handle
        set_active(&connection.write, True)
    else:
        former, watcher.reader = watcher.reader, handle
        set_active(&connection.read, True)
    if former is not None:
        watcher_cancel(former)  # last: freeing what it held may run any code
    return 0


cdef object weak_reference(sock):
    """Return a weak reference, or None if there can be none: each wait verifies the fd then."""
    try:
        return ref(sock)
    except TypeError:
        return None


cdef void set_idle(FdWatching loop, Connection* connection) noexcept:
    """Note whether nothing waits any more."""
    if not connection.read.active and not connection.write.active:
        loop.pool.set_idle(connection, True)


cdef void set_active(Event* ev, bint active) noexcept:
    """Set whether something waits; an event already posted was for the wait before."""
    ev.active = active
    if ev.posted:
        event_unpost(ev)


cdef int watcher_read(Event* ev) except -1:
    cdef Watcher watcher = <Watcher>ev.data
    return watcher_run(watcher, watcher.reader, False)


cdef int watcher_write(Event* ev) except -1:
    cdef Watcher watcher = <Watcher>ev.data
    return watcher_run(watcher, watcher.writer, True)


cdef int watcher_run(Watcher watcher, Handle handle, bint writing) except -1:
    """Call a handle that stays; if it was replaced meanwhile it drops its loop now.

    A handle that was cancelled, instead of the callback being removed, ends the watching, too.
    """
    if handle.event.cancelled:
        watcher.loop.unwatch_fd(watcher.fd, writing)
        return 0
    handle.event.active = 1
    try:
        handle_call_with(handle, watcher.loop.stopwatch.patched_run)
    finally:
        handle.event.active = 0
        if handle is not watcher.reader and handle is not watcher.writer:
            handle_forget(handle)
    return 0


cdef int watcher_cancel(Handle handle) except -1:
    """Cancel a handle; one that is running keeps its loop, to which it may have to report."""
    handle_cancel(handle)
    if not handle.event.active:
        handle_forget(handle)
    return 0


cdef int fileobj_to_fd(fileobj) except -1:
    """Return the file descriptor of an int or of an object with fileno()."""
    return fd_of_number(number_of_fileobj(fileobj))


cdef int socket_to_fd(sock) except -1:
    """Return the file descriptor of a socket object, which may be of a class of the user's."""
    return fd_of_number(number_of_fileobj(sock.fileno()))  # asyncio calls fileno() twice, too


cdef object number_of_fileobj(fileobj):
    """Return an int, or what fileno() of an object gives."""
    if isinstance(fileobj, int):
        return fileobj
    try:
        return int(fileobj.fileno())
    except (AttributeError, TypeError, ValueError):
        raise ValueError(f"Invalid file object: {fileobj!r}") from None


cdef int fd_of_number(number) except -1:
    if number < 0:
        raise ValueError(f"Invalid file descriptor: {number}")
    return number
