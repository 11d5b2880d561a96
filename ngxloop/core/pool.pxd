"""ConnectionPool: fixed-size slots for everything the poller watches."""

from libc.stdint cimport uint32_t, uint64_t

from ngxloop.core.event cimport Connection, ConnectionKind

cdef class ConnectionPool:
    cdef Connection** chunks         # OWNS: each chunk has POOL_CHUNK_SIZE slots and never moves
    cdef uint32_t chunk_count
    cdef uint32_t slot_count         # slots that were ever used; the rest of the memory is not set
    cdef Connection* free            # free slots, the one used last first: it is in the cache
    cdef Connection** by_fd          # OWNS the table: the slot that uses an fd, NULL if none does
    cdef Py_ssize_t by_fd_size
    cdef Connection* changed         # slots with an interest to pass to the poller before it waits
    cdef Connection reusable         # head of the ring of idle connections: .newer is the oldest
    cdef readonly uint32_t used_count
    cdef readonly uint32_t used_count_max    # idle slots left out
    cdef readonly uint32_t idle_count
    cdef readonly uint32_t reusable_count

    cdef Connection* connection_get(self, int fd, ConnectionKind kind, object owner) except NULL
    cdef int connection_pass(self, Connection* connection, object owner) except -1
    cdef int connection_free(self, Connection* connection) except -1
    cdef int free_all(self) except -1
    cdef void disown_all(self) noexcept
    cdef Connection* connection_find(self, uint64_t key) noexcept
    cdef Connection* connection_of_fd(self, int fd) noexcept
    cdef Connection* connection_at(self, uint32_t index) noexcept
    cdef int add_free_slot(self) except -1
    cdef int grow(self) except -1
    cdef int reserve_fd(self, int fd) except -1
    cdef void mark_changed(self, Connection* connection) noexcept
    cdef void unmark_changed(self, Connection* connection) noexcept
    cdef void set_idle(self, Connection* connection, bint idle) noexcept
    cdef void set_reusable(self, Connection* connection, bint reusable) noexcept
    cdef Connection* least_recently_used(self) noexcept

cdef uint64_t connection_key(Connection* connection) noexcept
