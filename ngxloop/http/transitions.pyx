"""Transitions: tables of states, as bits that a change of state is checked with.

A table has for each name of a state, in the order of its enum, the names of those that may follow.
"""


cdef int transitions_init(Transitions* transitions, dict table) except -1:
    """Take over a table."""
    cdef list names = list(table)
    assert len(names) <= STATE_COUNT_MAX
    for number, followers in enumerate(table.values()):
        transitions.followers[number] = sum(1 << names.index(name) for name in followers)
    return 0


cdef int transition_refuse(str what, dict table, int state, int follower) except -1:
    """Raise RuntimeError for a change of state that the table does not have."""
    cdef list names = list(table)
    raise RuntimeError(f"{what} that is {names[state]} cannot become {names[follower]}")
