"""The trimming of free lists, at times the test names."""

from libc.stdint cimport int64_t

from ngxloop.core.freelist cimport memory_trim


def trim(int64_t now_ns):
    memory_trim(now_ns)
