"""ConnectionPool: fixed-size slots for everything the poller watches.

How it works. A slot is taken from the head of a list of free ones, so the slot that was freed last
is used first: its memory is still in the cache. Slots are in chunks that never move, so a pointer
to one stays valid. epoll is given index and generation instead of a pointer: the generation grows
each time a slot is freed, and shows that an event already fetched for a former user is stale. nginx
keeps one bit for this in the pointer, which two reuses inside one batch defeat. Models:
ngx_get_connection, ngx_free_connection, ngx_reusable_connection, ngx_drain_connections.

Slots that were never used have no contents, and are in no list: a loop that is made and closed
pays for the slots that it uses, not for a chunk. They come in order of their index when no other
is free.

Rules. A used slot OWNS a reference to its owner; connection_free gives it back. Before a slot is
freed, its fd is closed or taken out of epoll. A slot is taken through Polling.connection_claim,
which decides what happens to the slot of a former file of the same number.
"""

cimport cython
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcpy, memset

from ngxloop.core.event cimport KIND_FREE, Connection, ConnectionKind
from ngxloop.core.limits cimport POOL_CHUNK_SHIFT, POOL_CHUNK_SIZE
from ngxloop.core.ready cimport event_unpost


@cython.final
cdef class ConnectionPool:
    """The slots of one loop; see the file header."""

    def __cinit__(self):
        self.reusable.older = self.reusable.newer = &self.reusable

    def __dealloc__(self):
        cdef uint32_t i
        self.disown_all()
        for i in range(self.chunk_count):
            PyMem_Free(self.chunks[i])
        PyMem_Free(self.chunks)
        PyMem_Free(self.by_fd)

    @property
    def free_count(self):
        """Slots that are allocated and free."""
        return self.chunk_count * POOL_CHUNK_SIZE - self.used_count

    cdef Connection* connection_get(self, int fd, ConnectionKind kind, object owner) except NULL:
        """Return a clean slot for fd, which no other slot may use. O(1), but for growth."""
        cdef Connection* connection
        if fd < 0:
            raise ValueError(f"Invalid file descriptor: {fd}")
        if self.connection_of_fd(fd) != NULL:
            raise RuntimeError(f"File descriptor {fd} is in use")
        if self.free == NULL:
            self.add_free_slot()
        if fd >= self.by_fd_size:
            self.reserve_fd(fd)
        connection = self.free
        self.free = connection.next
        connection.next = NULL
        connection.fd = fd
        connection.kind = kind
        connection.owner = <void*>owner
        connection.read.data = connection.write.data = <void*>owner
        Py_INCREF(owner)
        self.by_fd[fd] = connection
        self.used_count += 1
        self.used_count_max = max(self.used_count_max, self.used_count - self.idle_count)
        return connection

    cdef int connection_pass(self, Connection* connection, object owner) except -1:
        """Give a slot that is in use to another owner; the former one loses its reference."""
        cdef object former = <object>connection.owner
        connection.owner = <void*>owner
        connection.read.data = connection.write.data = <void*>owner
        Py_INCREF(owner)
        Py_DECREF(former)
        return 0

    cdef int connection_free(self, Connection* connection) except -1:
        """Give a slot back: its events leave their queues, its owner loses a reference."""
        cdef object owner = <object>connection.owner
        cdef uint32_t index = connection.index
        cdef uint32_t generation = connection.generation + 1
        if connection.read.posted:
            event_unpost(&connection.read)
        if connection.write.posted:
            event_unpost(&connection.write)
        if connection.reusable:
            self.set_reusable(connection, False)
        if connection.changed:
            self.unmark_changed(connection)
        if connection.idle:
            self.idle_count -= 1
        if self.by_fd[connection.fd] == connection:
            self.by_fd[connection.fd] = NULL
        memset(connection, 0, sizeof(Connection))
        connection.fd = -1
        connection.kind = KIND_FREE
        connection.index = index
        connection.generation = generation
        connection.next = self.free
        self.free = connection
        self.used_count -= 1
        Py_DECREF(owner)
        return 0

    cdef int free_all(self) except -1:
        """Call _loop_closed() of every owner and give all slots back."""
        cdef Connection* connection
        cdef uint32_t i = 0
        while i < self.slot_count:  # an owner may take another slot
            connection = self.connection_at(i)
            if connection.fd >= 0:
                (<object>connection.owner)._loop_closed()
                self.connection_free(connection)
            i += 1
        return 0

    cdef void disown_all(self) noexcept:
        """Release the owners that are left if the loop was never closed: its waker, with fds."""
        cdef Connection* connection
        cdef uint32_t i
        if self.used_count == 0:
            return
        for i in range(self.slot_count):
            connection = self.connection_at(i)
            if connection.fd >= 0:
                connection.fd = -1
                Py_DECREF(<object>connection.owner)

    cdef Connection* connection_find(self, uint64_t key) noexcept:
        """Return the slot an epoll event was meant for, NULL if it has another user by now."""
        cdef Connection* connection = self.connection_at(<uint32_t>key)
        if connection == NULL or connection.generation != <uint32_t>(key >> 32):
            return NULL
        return connection if connection.fd >= 0 else NULL

    cdef Connection* connection_of_fd(self, int fd) noexcept:
        return self.by_fd[fd] if 0 <= fd < self.by_fd_size else NULL

    cdef Connection* connection_at(self, uint32_t index) noexcept:
        if index >= self.slot_count:
            return NULL
        return &self.chunks[index >> POOL_CHUNK_SHIFT][index & (POOL_CHUNK_SIZE - 1)]

    cdef int add_free_slot(self) except -1:
        """Make the next slot that was never used a free one."""
        cdef Connection* connection
        cdef uint32_t index = self.slot_count
        if index == self.chunk_count * POOL_CHUNK_SIZE:
            self.grow()
        connection = &self.chunks[index >> POOL_CHUNK_SHIFT][index & (POOL_CHUNK_SIZE - 1)]
        memset(connection, 0, sizeof(Connection))
        connection.fd = -1
        connection.index = index
        connection.next = self.free
        self.free = connection
        self.slot_count += 1
        return 0

    cdef int grow(self) except -1:
        """Add the memory of one chunk of slots."""
        cdef Connection** chunks
        cdef Connection* chunk
        chunks = <Connection**>PyMem_Realloc(
            self.chunks, (self.chunk_count + 1) * sizeof(Connection*)
        )
        if chunks == NULL:
            raise MemoryError("no memory for more connections")
        self.chunks = chunks
        chunk = <Connection*>PyMem_Malloc(POOL_CHUNK_SIZE * sizeof(Connection))
        if chunk == NULL:
            raise MemoryError("no memory for more connections")
        chunks[self.chunk_count] = chunk
        self.chunk_count += 1
        return 0

    cdef int reserve_fd(self, int fd) except -1:
        """Make the table of fds large enough; the kernel hands out the lowest free number.

        Only what is copied touches memory: a single high number costs a page, not the table.
        """
        cdef Py_ssize_t size = max(64, self.by_fd_size)
        cdef Connection** table
        while size <= fd:
            size *= 2
        table = <Connection**>PyMem_Calloc(size, sizeof(Connection*))
        if table == NULL:
            raise MemoryError(f"no memory for a table of {size} fds")
        if self.by_fd != NULL:
            memcpy(table, self.by_fd, self.by_fd_size * sizeof(Connection*))
        PyMem_Free(self.by_fd)
        self.by_fd = table
        self.by_fd_size = size
        return 0

    cdef void mark_changed(self, Connection* connection) noexcept:
        """Remember that the interest of a slot may differ from what epoll holds."""
        if not connection.changed:
            connection.changed = 1
            connection.next = self.changed
            self.changed = connection

    cdef void unmark_changed(self, Connection* connection) noexcept:
        """O(changes of this turn): only a slot freed right after a change comes here."""
        cdef Connection** link = &self.changed
        while link[0] != connection:
            link = &link[0].next
        link[0] = connection.next
        connection.changed = 0

    cdef void set_idle(self, Connection* connection, bint idle) noexcept:
        """Set whether a watcher's slot is kept although nothing waits: it counts as unused."""
        if connection.idle == idle:
            return
        connection.idle = idle
        if idle:
            self.idle_count += 1
        else:
            self.idle_count -= 1
            self.used_count_max = max(self.used_count_max, self.used_count - self.idle_count)

    cdef void set_reusable(self, Connection* connection, bint reusable) noexcept:
        """Put a connection in front of the idle ones, from wherever it is; or take it out."""
        if connection.reusable:
            connection.older.newer = connection.newer
            connection.newer.older = connection.older
            connection.reusable = 0
            self.reusable_count -= 1
        if reusable:
            connection.reusable = 1
            connection.newer = &self.reusable
            connection.older = self.reusable.older
            connection.older.newer = connection
            self.reusable.older = connection
            self.reusable_count += 1

    cdef Connection* least_recently_used(self) noexcept:
        """Return the connection that has been idle longest, NULL if none is."""
        return self.reusable.newer if self.reusable_count else NULL


cdef uint64_t connection_key(Connection* connection) noexcept:
    """Return what epoll hands back with an event: generation and index."""
    return <uint64_t>connection.generation << 32 | connection.index
