"""What an application awaits: objects that are done at once where they can be."""

# What a Waiting waits for, as its owner distinguishes it.
cdef enum Wanted:
    WANT_MESSAGE = 0         # the next message of receive()
    WANT_ROOM                # that the client takes more

cdef class WaitedFor:
    cdef list waiters                # futures of those that wait; None while nobody does

    cdef object outcome(self, Wanted wanted)
    cdef object new_future(self)
    cdef int wake_waiters(self) except -1

cdef class Waiting:
    cdef WaitedFor owner             # None once it is done
    cdef object future               # what it waits for, None while it does not wait
    cdef object future_steps         # the future's iterator
    cdef Wanted wanted

cdef object NOT_YET
cdef object COMPLETED

cdef Waiting waiting_new(WaitedFor owner, Wanted wanted)
