"""TimerHandle: a callback that waits for its time in the loop's queue of timers."""

cimport cython
from libc.stdint cimport int64_t

from ngxloop.core.event cimport EventQueue
from ngxloop.core.handle cimport Handle
from ngxloop.core.timerqueue cimport TimerQueue


@cython.no_gc  # here as well, so that Cython knows it of TracedTimerHandle's base
cdef class TimerHandle(Handle):
    cdef TimerQueue* queue           # BORROWED: part of the loop, which _loop keeps alive
    cdef readonly double _when       # seconds on the loop's clock, exactly as asked for


@cython.no_gc
cdef class TracedTimerHandle(TimerHandle):
    cdef list origin                 # as a TracedHandle's

cdef TimerHandle timer_new(loop, callback, args, context, list origin)
cdef int timer_arm(TimerHandle timer, TimerQueue* queue, double when) except -1
cdef int timers_expire(TimerQueue* queue, EventQueue* ready, int64_t now_ns) except -1
cdef int timers_drop(TimerQueue* queue) except -1
cdef TimerHandle timers_first(TimerQueue* queue)
cdef list timers_all(TimerQueue* queue)
cdef bint timer_is_armed(TimerHandle timer) noexcept
cdef int timer_disarm(TimerHandle timer) except -1
