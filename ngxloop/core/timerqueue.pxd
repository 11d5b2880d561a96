"""TimerQueue: the timers that wait, the next one at hand: near ones in a tree, far ones in buckets.

See timerqueue.pyx for how it works. Nodes live inside their owners; nothing is allocated.
"""

from libc.stdint cimport int64_t, uint32_t, uint64_t

from ngxloop.core.rbtree cimport RbNode, RbTree

cdef enum:
    NEAR_BITS = 12           # the near span: 2^12 ns, 4 us
    SLOT_BITS = 6            # each level's slots are 64 times as wide as those of the one below
    SLOT_COUNT = 64
    LEVEL_COUNT = 9          # 12 + 9 * 6 bits: all there are

cdef struct TimerBucket:
    RbNode* first            # in order of insertion, linked by left and right
    RbNode* last
    int64_t earliest         # no key in here is smaller; that of the earliest unless it was removed

cdef struct TimerQueue:
    RbTree near              # every timer whose key lies in the span of base, or before
    uint64_t base            # a time that has been reached, biased; only grows
    uint32_t levels          # bit i: level i has timers
    uint64_t[LEVEL_COUNT] slots              # bit j of [i]: bucket j of level i has timers
    TimerBucket[LEVEL_COUNT][SLOT_COUNT] buckets
    size_t count             # timers in all

cdef void timerqueue_init(TimerQueue* queue, int64_t now_ns) noexcept nogil
cdef void timerqueue_insert(TimerQueue* queue, RbNode* node) noexcept nogil
cdef void timerqueue_remove(TimerQueue* queue, RbNode* node) noexcept nogil
cdef int64_t timerqueue_next(TimerQueue* queue) noexcept nogil
cdef RbNode* timerqueue_take(TimerQueue* queue, int64_t now_ns) noexcept nogil
cdef RbNode* timerqueue_first(TimerQueue* queue) noexcept nogil
cdef RbNode* timerqueue_after(TimerQueue* queue, RbNode* node) noexcept nogil
