"""FairGate: every worker has about as many open connections as the others.

How it works. As with mode exclusive the kernel wakes one worker for each connection; here every accept
sends a worker to the end of the kernel's queue, so idle workers take turns. In a burst the kernel wakes
many workers and the first ones to run would take everything; so a worker leaves while it has more
connections open than the mean of all and a slack. When an accept has raised the mean so far that one
of those who left may come back, the acceptor rings for it.

Rules. Somebody is always in: the worker with the fewest connections is not above the mean. Workers that
are stuck in a callback, not ready, draining or full do not count for it. The decision is taken right
before the wait, never between an event and its accept. Who leaves first says so, then looks again: an
acceptor either sees the mark and rings, or its accept is seen. Whatever may still go wrong is bounded:
who has left looks again every LEFT_CHECK_MS.
Model: ngx_accept_disabled of nginx, which compares a worker with its own limit only.
"""

from libc.stdint cimport int64_t

from ngxloop.core.atomic cimport fence, word_swap
from ngxloop.core.clock cimport NS_PER_MS
from ngxloop.core.event cimport Connection
from ngxloop.core.exclusive_gate cimport ExclusiveGate
from ngxloop.core.limits cimport LEFT_CHECK_MS
from ngxloop.core.scoreboard cimport GATE_CALLED, GATE_IN, GATE_LEFT, GATE_OUT, Slot
from ngxloop.core.shared_gate cimport SharedGate


cdef class FairGate(ExclusiveGate):
    """The gate of mode fair; see the file header."""

    cdef int64_t before_wait(self, bint may_block) except? -2:
        if self.own.gate >= GATE_LEFT and self.own.beat_ns != self.settled_ns:
            self.unsettled = True
        return SharedGate.before_wait(self, may_block)

    cdef int accepted(self, Connection* listener) except -1:
        SharedGate.accepted(self, listener)
        self.requeue(listener)
        fence()
        return self.call_back()

    cdef int settle(self) except -1:
        """Stay out while this worker has more than its share."""
        self.settled_ns = self.own.beat_ns
        self.wait_ns = -1
        if self.must_stay_out():
            if self.own.gate != GATE_OUT:
                self.own.gate = GATE_OUT
                fence()
                self.board.ring_left()
            return self.unwatch()
        if self.above_share():
            if self.own.gate == GATE_IN or self.own.gate == GATE_OUT:
                self.own.left += 1
            self.own.gate = GATE_LEFT
            fence()
            if self.above_share():
                self.wait_ns = <int64_t>LEFT_CHECK_MS * NS_PER_MS
                return self.unwatch()
        self.own.gate = GATE_IN
        return self.watch()

    cdef bint above_share(self) noexcept:
        """True if this worker has more connections than the mean allows."""
        self.look()
        return exceeds(self.active, self.total, self.count, self.own.gate == GATE_IN)

    cdef int look(self) noexcept:
        """Add up what the workers have that take part. O(slots)."""
        cdef Slot* other
        cdef int i
        self.total = self.count = 0
        for i in range(self.board.slot_count):
            other = &self.board.slots[i]
            if self.takes_part(other):
                self.total += other.active
                self.count += 1
        return 0

    cdef int call_back(self) noexcept:
        """Ring for those who left and are not above the mean any more."""
        cdef Slot* other
        cdef int i
        self.look()
        for i in range(self.board.slot_count):
            other = &self.board.slots[i]
            if other.gate == GATE_LEFT and not exceeds(other.active, self.total, self.count, False):
                if word_swap(&other.gate, GATE_LEFT, GATE_CALLED):
                    self.own.calls += 1
                    self.board.ring(i)
        return 0


cdef bint exceeds(int64_t active, int64_t total, int64_t count, bint inside) noexcept:
    """True if active is above the mean and its slack: what an insider may have more."""
    cdef int64_t slack = count + total // 16 if inside else 0
    return active * count > total + slack
