"""The loop's clock: CLOCK_MONOTONIC in nanoseconds, the clock behind time.monotonic()."""

from libc.math cimport ceil
from libc.stdint cimport INT64_MAX, int64_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef enum:
    NS_PER_MS = 1000000
    NS_PER_SECOND = 1000000000


cdef inline int64_t clock_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <int64_t>now.tv_sec * NS_PER_SECOND + now.tv_nsec


cdef inline double seconds_from_ns(int64_t ns) noexcept nogil:
    return <double>ns / 1e9


cdef inline int64_t ns_from_seconds(double seconds) noexcept nogil:
    """Round up, so that a deadline is never early.

    Saturates at 146 years, half of what int64 holds: then the difference of two times fits as well.
    """
    cdef double ns = ceil(seconds * 1e9)
    if ns >= <double>(INT64_MAX // 2):
        return INT64_MAX // 2
    return <int64_t>ns if ns > -<double>(INT64_MAX // 2) else -(INT64_MAX // 2)  # nan as well


cdef extern from "<time.h>" nogil:
    const int CLOCK_MONOTONIC_COARSE


cdef inline int64_t clock_coarse_ns() noexcept nogil:
    """The same clock as of the last tick, 1 to 10 ms ago: 4 ns instead of 22."""
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now)
    return <int64_t>now.tv_sec * NS_PER_SECOND + now.tv_nsec
