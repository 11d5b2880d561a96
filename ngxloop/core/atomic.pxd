"""Atomic operations on words of memory that processes share.

All are sequentially consistent: they are on paths that run once per connection, where the 20 to 50
cycles do not matter.
"""

from libc.stdint cimport int64_t

cdef extern from *:
    """
    static inline int ngxloop_word_swap(int64_t *word, int64_t expected, int64_t desired) {
        return __atomic_compare_exchange_n(word, &expected, desired, 0, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
    static inline int64_t ngxloop_word_read(int64_t *word) {
        return __atomic_load_n(word, __ATOMIC_SEQ_CST);
    }
    static inline void ngxloop_fence(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }
    """
    # True if word held expected, and now holds desired
    bint word_swap "ngxloop_word_swap"(int64_t* word, int64_t expected, int64_t desired) nogil
    int64_t word_read "ngxloop_word_read"(int64_t* word) nogil
    # what was stored before is seen by others before what is loaded after is read
    void fence "ngxloop_fence"() nogil
