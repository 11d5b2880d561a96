"""TimerHandle: a callback that waits for its time in the loop's tree of timers."""

from libc.stdint cimport int64_t

from ngxloop.core.event cimport EventQueue
from ngxloop.core.handle cimport Handle
from ngxloop.core.rbtree cimport RbNode, RbTree

cdef class TimerHandle(Handle):
    cdef RbNode node
    cdef RbTree* tree                # BORROWED: part of the loop, which _loop keeps alive
    cdef readonly double _when       # seconds on the loop's clock, exactly as asked for

cdef int timer_arm(TimerHandle timer, RbTree* tree, double when) except -1
cdef int timers_expire(RbTree* tree, EventQueue* queue, int64_t now_ns) except -1
cdef int timers_drop(RbTree* tree) except -1
