"""Deliberate errors, compiled for `make asan` alone: each must end the process with a report."""

from libc.limits cimport INT_MAX
from libc.stdlib cimport free, malloc


def write_behind_allocation(size_t size):
    """Write the byte behind a block of the heap: AddressSanitizer, heap-buffer-overflow."""
    cdef char* block = <char*>malloc(size)
    block[size] = 1
    free(block)


def use_after_free():
    """Read freed memory: AddressSanitizer, heap-use-after-free."""
    cdef char* block = <char*>malloc(16)
    block[0] = 1
    free(block)
    return block[0]


def add_to_largest_int(int n):
    """Overflow a signed integer: UndefinedBehaviorSanitizer."""
    return INT_MAX + n
