"""TimerQueue: the timers that wait, the next one at hand: near ones in a tree, far ones in buckets.

Why not a tree alone. Most timers are time-outs that are cancelled long before their time. In a tree
of a million each costs a walk over 20 uncached nodes, twice; in a bucket, a link.

How it works. A key is a deadline in nanoseconds. `base` follows the clock. A key that differs from
base in the lowest 12 bits only, or is smaller, is near: near timers are in the tree, in exact
order. For the others, the highest bit in which they differ from base selects the level (6 bits
each), and the bits of that level select the bucket. So all keys of a level are smaller than those
of the levels above, in a level the buckets are in order, and within a bucket the order is that of
insertion. When the clock reaches the first bucket, it becomes base, and the bucket's timers are
placed again: nearer to base now, they go to lower levels, or into the tree; a few go into the tree
at once. A timer moves at most once for each level. The tree stays small, however many timers are
due: a walk through a large one waits for memory and for mispredicted branches. It is a tree and not
a sorted list because all timers of a clock behind base, such as one that a test sets, are near.

Rules. Base may move to any time before the first bucket: no key changes its bucket by that, for
base and the bucket differ in the same bits as before. Hence a timer's bucket follows from its key,
and equal keys are always in the same bucket, in the order of insertion: they stay in this order.
`earliest` of a bucket is not corrected when a timer leaves, which would require a walk over all of
it; at worst the loop wakes up once for a timer that was cancelled.

A radix heap (Ahuja, Mehlhorn, Orlin and Tarjan 1990) with nginx's tree of timers as first bucket;
equivalent to hierarchical timing wheels (Varghese and Lauck 1987) that skip empty rounds.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memset

from ngxloop.core.rbtree cimport RbNode, tree_init, tree_insert, tree_next, tree_remove

cdef extern from *:
    int __builtin_clzll(unsigned long long value) nogil
    int __builtin_ctzll(unsigned long long value) nogil

cdef enum:
    IN_BUCKET = 2            # RbNode.linked of a far timer; the tree's is 1
    CROWD_COUNT = 16         # timers of a bucket that go into the tree at once


cdef void timerqueue_init(TimerQueue* queue, int64_t now_ns) noexcept nogil:
    memset(queue, 0, sizeof(TimerQueue))
    tree_init(&queue.near)
    queue.base = biased(now_ns)


cdef void timerqueue_insert(TimerQueue* queue, RbNode* node) noexcept nogil:
    """Add a node by its key, which must lie within 2^62 of 0."""
    queue.count += 1
    place(queue, node)


cdef void timerqueue_remove(TimerQueue* queue, RbNode* node) noexcept nogil:
    queue.count -= 1
    if node.linked == IN_BUCKET:
        leave_bucket(queue, node)
    else:
        tree_remove(&queue.near, node)


cdef int64_t timerqueue_next(TimerQueue* queue) noexcept nogil:
    """Return a time before which no timer of this queue, which is not empty, is due."""
    cdef uint32_t level
    if queue.near.first != NULL:
        return queue.near.first.key
    level = __builtin_ctzll(queue.levels)
    return queue.buckets[level][__builtin_ctzll(queue.slots[level])].earliest


cdef RbNode* timerqueue_first(TimerQueue* queue) noexcept nogil:
    """Return the node that timerqueue_take() will return first; NULL if there is none.

    A bucket is searched until the earliest is found, and as a whole once that has left it.
    """
    cdef uint32_t level
    cdef TimerBucket* bucket
    cdef RbNode* node
    cdef RbNode* first
    if queue.near.first != NULL or queue.levels == 0:
        return queue.near.first
    level = __builtin_ctzll(queue.levels)
    bucket = &queue.buckets[level][__builtin_ctzll(queue.slots[level])]
    first = node = bucket.first
    while node != NULL and first.key != bucket.earliest:
        if node.key < first.key:
            first = node
        node = node.right
    bucket.earliest = first.key
    return first


cdef RbNode* timerqueue_after(TimerQueue* queue, RbNode* node) noexcept nogil:
    """Return each node once, NULL after the last one; only equal keys come in their order.

    Args:
        node: what was returned before; NULL for the beginning. The queue must not change meanwhile.
    """
    cdef uint32_t level = 0
    cdef uint32_t slot = 0
    cdef RbNode* following = NULL
    if node == NULL:
        following = queue.near.first
    elif node.linked == IN_BUCKET:
        following = node.right
        level = level_of(queue, biased(node.key))
        slot = slot_of(biased(node.key), level) + 1
    else:
        following = tree_next(&queue.near, node)
    while following == NULL and level < LEVEL_COUNT:
        if slot == SLOT_COUNT:
            level += 1
            slot = 0
        else:
            following = queue.buckets[level][slot].first
            slot += 1
    return following


cdef RbNode* timerqueue_take(TimerQueue* queue, int64_t now_ns) noexcept nogil:
    """Remove and return the first node whose key is not after now_ns; NULL if there is none."""
    cdef RbNode* node
    while queue.near.first == NULL and open_bucket(queue, biased(now_ns)):
        pass
    node = queue.near.first
    if node == NULL or node.key > now_ns:
        return NULL
    tree_remove(&queue.near, node)
    queue.count -= 1
    return node


cdef inline uint64_t biased(int64_t key) noexcept nogil:
    """Return an unsigned number in the order of the keys."""
    return <uint64_t>key + (<uint64_t>1 << 62)


cdef inline uint32_t level_of(TimerQueue* queue, uint64_t key) noexcept nogil:
    """Return the level of a far key."""
    return (63 - NEAR_BITS - __builtin_clzll(key ^ queue.base)) // <uint32_t>SLOT_BITS


cdef inline uint32_t slot_of(uint64_t key, uint32_t level) noexcept nogil:
    return (key >> (NEAR_BITS + SLOT_BITS * level)) & (SLOT_COUNT - 1)


cdef void place(TimerQueue* queue, RbNode* node) noexcept nogil:
    cdef uint64_t key = biased(node.key)
    cdef uint32_t level
    cdef uint32_t slot
    cdef TimerBucket* bucket
    if key >> NEAR_BITS <= queue.base >> NEAR_BITS:
        tree_insert(&queue.near, node)
        return
    level = level_of(queue, key)
    slot = slot_of(key, level)
    bucket = &queue.buckets[level][slot]
    node.linked = IN_BUCKET
    node.right = NULL
    node.left = bucket.last
    if bucket.last == NULL:
        bucket.first = node
        bucket.earliest = node.key
        queue.slots[level] |= <uint64_t>1 << slot
        queue.levels |= <uint32_t>1 << level
    else:
        bucket.last.right = node
        if node.key < bucket.earliest:
            bucket.earliest = node.key
    bucket.last = node


cdef void leave_bucket(TimerQueue* queue, RbNode* node) noexcept nogil:
    cdef uint64_t key = biased(node.key)
    cdef uint32_t level = level_of(queue, key)
    cdef uint32_t slot = slot_of(key, level)
    cdef TimerBucket* bucket = &queue.buckets[level][slot]
    node.linked = 0
    if node.left == NULL:
        bucket.first = node.right
    else:
        node.left.right = node.right
    if node.right == NULL:
        bucket.last = node.left
    else:
        node.right.left = node.left
    if bucket.first == NULL:
        mark_empty(queue, level, slot)


cdef void mark_empty(TimerQueue* queue, uint32_t level, uint32_t slot) noexcept nogil:
    queue.slots[level] &= ~(<uint64_t>1 << slot)
    if queue.slots[level] == 0:
        queue.levels &= ~(<uint32_t>1 << level)


cdef bint open_bucket(TimerQueue* queue, uint64_t now) noexcept nogil:
    """Advance base and place the timers of the first bucket again; False if it is not reached."""
    cdef uint32_t level
    cdef uint32_t slot
    cdef uint32_t shift
    cdef uint64_t start
    if queue.levels == 0:
        queue.base = max(queue.base, now)
        return False
    level = __builtin_ctzll(queue.levels)
    slot = __builtin_ctzll(queue.slots[level])
    shift = NEAR_BITS + SLOT_BITS * level
    start = biased(queue.buckets[level][slot].earliest) >> shift << shift
    if now < start:
        queue.base = max(queue.base, now)
        return False
    if level > 0 and is_crowded(&queue.buckets[level][slot]):
        queue.base = start
    else:
        queue.base = min(now, start + (<uint64_t>1 << shift) - 1)
    empty_bucket(queue, level, slot)
    return True


cdef bint is_crowded(TimerBucket* bucket) noexcept nogil:
    """Return whether a bucket has more timers than the tree takes at little cost."""
    cdef RbNode* node = bucket.first
    for _ in range(CROWD_COUNT):
        if node == NULL:
            return False
        node = node.right
    return node != NULL


cdef void empty_bucket(TimerQueue* queue, uint32_t level, uint32_t slot) noexcept nogil:
    """Place every timer of a bucket that base has reached again."""
    cdef TimerBucket* bucket = &queue.buckets[level][slot]
    cdef RbNode* node = bucket.first
    cdef RbNode* following
    bucket.first = bucket.last = NULL
    mark_empty(queue, level, slot)
    while node != NULL:
        following = node.right
        place(queue, node)
        node = following
