"""A timer queue of numbered nodes; a node is known by its number."""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int64_t

from ngxloop.core.rbtree cimport RbNode
from ngxloop.core.timerqueue cimport (
    TimerQueue,
    timerqueue_init,
    timerqueue_insert,
    timerqueue_next,
    timerqueue_remove,
    timerqueue_take,
)


cdef class Timers:
    """The queue, and `capacity` nodes that are in it or not."""

    cdef TimerQueue queue
    cdef RbNode* nodes       # OWNS: capacity of them
    cdef int capacity

    def __cinit__(self, int capacity, int64_t now_ns):
        timerqueue_init(&self.queue, now_ns)
        self.capacity = capacity
        self.nodes = <RbNode*>PyMem_Calloc(capacity, sizeof(RbNode))
        if self.nodes == NULL:
            raise MemoryError(f"no memory for {capacity} nodes")

    def __dealloc__(self):
        PyMem_Free(self.nodes)

    def insert(self, int number, int64_t key):
        assert not self.nodes[number].linked
        self.nodes[number].key = key
        timerqueue_insert(&self.queue, &self.nodes[number])

    def remove(self, int number):
        assert self.nodes[number].linked
        timerqueue_remove(&self.queue, &self.nodes[number])

    def is_linked(self, int number):
        return bool(self.nodes[number].linked)

    def take(self, int64_t now_ns):
        """Return the number of the first due node, None if there is none."""
        cdef RbNode* node = timerqueue_take(&self.queue, now_ns)
        return None if node == NULL else node - self.nodes

    @property
    def next(self):
        return timerqueue_next(&self.queue)

    @property
    def count(self):
        return self.queue.count

    @property
    def near_count(self):
        """How many are in the tree."""
        return self.queue.near.count
