"""A connection pool whose slots are known by their index."""

from ngxloop.core.event cimport KIND_FREE, KIND_TRANSPORT, Connection, Event, EventQueue
from ngxloop.core.limits cimport POOL_CHUNK_SIZE
from ngxloop.core.pool cimport ConnectionPool, connection_key
from ngxloop.core.ready cimport event_post, queue_init, queue_is_empty


cdef class Pool:
    """The pool, and a queue for the events of its slots."""

    cdef ConnectionPool pool
    cdef EventQueue queue

    def __cinit__(self):
        self.pool = ConnectionPool()
        queue_init(&self.queue)

    cdef Connection* slot(self, unsigned int index) except NULL:
        cdef Connection* connection = self.pool.connection_at(index)
        if connection == NULL:
            raise IndexError(f"no slot {index}")
        return connection

    @property
    def used_count(self):
        return self.pool.used_count

    @property
    def used_count_max(self):
        return self.pool.used_count_max

    @property
    def free_count(self):
        return self.pool.free_count

    @property
    def reusable_count(self):
        return self.pool.reusable_count

    @property
    def chunk_count(self):
        return self.pool.chunk_count

    @property
    def fd_table_size(self):
        return self.pool.by_fd_size

    def get(self, int fd, owner):
        """Take a slot and return its index."""
        return self.pool.connection_get(fd, KIND_TRANSPORT, owner).index

    def free(self, int index):
        self.pool.connection_free(self.slot(index))

    def free_slots(self):
        """Return the indices of the free slots, the one used next first."""
        cdef Connection* connection = self.pool.free
        found = []
        while connection != NULL:
            assert connection.fd == -1 and connection.kind == KIND_FREE
            found.append(connection.index)
            connection = connection.next
        unused = range(self.pool.slot_count, self.pool.chunk_count * POOL_CHUNK_SIZE)
        return [*found, *unused]

    def key(self, int index):
        return connection_key(self.slot(index))

    def find(self, key):
        """Return the index that an epoll key leads to, None if the slot has another user."""
        return index_of(self.pool.connection_find(key))

    def index_of_fd(self, int fd):
        return index_of(self.pool.connection_of_fd(fd))

    def address(self, int index):
        """Return where the slot lies in memory."""
        return <size_t>self.slot(index)

    def state(self, int index):
        """Return every field that a user of the slot may have set."""
        cdef Connection* connection = self.slot(index)
        return (
            connection.interest, connection.wanted, connection.changed,
            connection.reusable, *event_state(&connection.read), *event_state(&connection.write),
        )

    def dirty(self, int index):
        """Set every field that a user of a slot may set, but for those that link it to others."""
        cdef Connection* connection = self.slot(index)
        connection.interest = connection.wanted = 7
        make_dirty(&connection.read)
        make_dirty(&connection.write)

    def post(self, int index):
        """Post both events of a slot."""
        cdef Connection* connection = self.slot(index)
        event_post(&self.queue, &connection.read)
        event_post(&self.queue, &connection.write)

    def is_queue_empty(self):
        return bool(queue_is_empty(&self.queue))

    def mark_changed(self, int index):
        self.pool.mark_changed(self.slot(index))

    def changed_slots(self):
        """Return the indices of the changed slots, the latest first."""
        cdef Connection* connection = self.pool.changed
        found = []
        while connection != NULL:
            assert connection.changed
            found.append(connection.index)
            connection = connection.next
        return found

    def set_reusable(self, int index, bint reusable):
        self.pool.set_reusable(self.slot(index), reusable)

    def reusable_slots(self):
        """Return the indices of the reusable slots, the one idle longest first."""
        cdef Connection* head = &self.pool.reusable
        cdef Connection* connection = head.newer
        found = []
        while connection != head:
            assert connection.reusable
            assert connection.newer.older == connection and connection.older.newer == connection
            found.append(connection.index)
            connection = connection.newer
        return found

    def least_recently_used(self):
        return index_of(self.pool.least_recently_used())


cdef int never_run(Event* ev) except -1:
    return 0


cdef void make_dirty(Event* ev) noexcept:
    ev.handler = never_run
    ev.ready = ev.active = ev.accept = ev.drain = 1


cdef object index_of(Connection* connection):
    return None if connection == NULL else connection.index


cdef tuple event_state(Event* ev):
    return (ev.handler != NULL, ev.posted, ev.ready, ev.active, ev.accept, ev.drain)
