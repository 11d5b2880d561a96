"""Transitions: from which state an object may go to which others."""

from libc.stdint cimport uint16_t

cdef enum:
    STATE_COUNT_MAX = 16             # as many as an entry has bits

cdef struct Transitions:
    uint16_t[STATE_COUNT_MAX] followers  # of each state: a bit for each that may follow

cdef int transitions_init(Transitions* transitions, dict table) except -1
cdef int transition_refuse(str what, dict table, int state, int follower) except -1


cdef inline bint transition_allowed(
    const Transitions* transitions, int state, int follower
) noexcept:
    return transitions.followers[state] >> follower & 1
