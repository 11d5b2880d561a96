"""FairGate: every worker has about as many open connections as the others.

How it works. As in mode exclusive the kernel wakes one worker for each connection; here a worker
that has accepted goes to the end of the kernel's queue before it sleeps again, so idle workers take
turns. (Not at every accept: the kernel passes over workers that do not sleep, so the place of a
busy one does not matter, and leaving and entering cost two system calls per connection.) In a burst
the kernel wakes many workers, and the first ones to run would take everything. So a worker leaves
while it has more connections open than the mean of all plus a slack. When an accept has raised the
mean so far that a worker that left may come back, the acceptor wakes it.

Rules. At least one worker is always in: the one with the fewest connections is not above the mean.
Workers that are stuck in a callback, not ready, draining or full do not count for it. The decision
is taken right before the wait, never between an event and its accept. A worker that leaves marks
its slot first, then checks again: an acceptor either sees the mark and wakes it, or its accept is
seen. A worker that has left checks every LEFT_CHECK_MS whether the others accept; if a connection
waits and they have taken none since the last check, it takes one itself, then three, seven, and so
on. Otherwise a worker that is stopped, or kept from running by a thread that holds the GIL, would
block all connections: it sleeps in the kernel and looks idle. While no connection waits and the
workers that listen do nothing but sleep, each wait is twice the one before, up to QUIET_DELAY_MS:
an idle server hardly runs. With a master that urges, the checks end then. A wake-up, or any change
that a check finds, makes it LEFT_CHECK_MS again. So only the first connection after idleness may
wait that long, or until the master urges, and only if all listening workers were stopped in their
sleep, or got stuck in a callback since. For URGED_MS the share does not count for a worker that was
urged: what it is computed from may be garbage. Model: ngx_accept_disabled of nginx, which compares
a worker with its own limit only.
"""

cimport cython
from libc.stdint cimport INT64_MAX, int64_t, uint64_t

from ngxloop.core.atomic cimport fence, word_swap
from ngxloop.core.clock cimport NS_PER_MS, clock_ns
from ngxloop.core.event cimport Connection
from ngxloop.core.exclusive_gate cimport ExclusiveGate
from ngxloop.core.limits cimport LEFT_CHECK_MS, SLACK_COUNT, SLACK_DIVISOR, URGED_MS
from ngxloop.core.linux cimport POLLIN, poll, pollfd
from ngxloop.core.scoreboard cimport (
    GATE_CALLED,
    GATE_IN,
    GATE_LEFT,
    GATE_OUT,
    WAIT_NONE,
    Slot,
)
from ngxloop.core.shared_gate cimport SharedGate


@cython.final
cdef class FairGate(ExclusiveGate):
    """The gate of mode fair; see the file header."""

    cdef int64_t before_wait(self, bint may_block) except? -2:
        if may_block and self.is_served:
            self.step_back()
        return ExclusiveGate.before_wait(self, may_block)

    cdef int accepted(self, Connection* listener) except -1:
        cdef int i
        SharedGate.accepted(self, listener)
        self.is_served = True
        for i in range(self.listener_count):
            if self.listeners[i].connection == listener:
                self.listeners[i].is_served = True
        fence()
        return self.call_back()

    cdef int woken_by_other(self) except -1:
        """Something has changed: check again soon."""
        self.changed_ns = clock_ns()
        self.check_ns = min(self.check_ns, self.changed_ns + <int64_t>LEFT_CHECK_MS * NS_PER_MS)
        return ExclusiveGate.woken_by_other(self)

    cdef int step_back(self) except -1:
        """Go to the end of the queue where this worker took a connection; settle() enters again."""
        cdef int i
        self.is_served = False
        for i in range(self.listener_count):
            if self.listeners[i].is_served:
                self.listeners[i].is_served = False
                self.requeue(self.listeners[i].connection)
        self.unsettled = True
        return 0

    cdef int settle(self) except -1:
        """Listen, leave because of the share, or stay out for another reason."""
        if self.is_urged:
            self.urged_until_ns = self.now_ns + <int64_t>URGED_MS * NS_PER_MS
        if self.must_stay_out():
            return self.stay_out()
        if self.now_ns < self.urged_until_ns:
            return self.stay_in()
        if self.own.gate >= GATE_LEFT or self.extra:
            self.check_others(clock_ns())
        if self.above_share(self.own.gate == GATE_IN):
            return self.leave()
        return self.stay_in()

    cdef int stay_in(self) except -1:
        self.own.gate = GATE_IN
        self.look_again(self.extra > 0)
        return self.watch()

    cdef int leave(self) except -1:
        """Stop watching, unless an accept of another worker has just made up for it."""
        if self.own.gate < GATE_LEFT:
            self.own.left += 1
            self.others_accepted = self.accepted_by_others()
            self.changed_ns = clock_ns()
            self.check_ns = self.changed_ns + <int64_t>LEFT_CHECK_MS * NS_PER_MS
        self.own.gate = GATE_LEFT
        fence()
        if not self.above_share(False):
            return self.stay_in()
        self.look_again(True)
        return self.unwatch()

    cdef int stay_out(self) except -1:
        """Stop watching; workers that counted on this one must decide again."""
        self.extra = 0
        self.look_again(False)
        if self.own.gate != GATE_OUT:
            self.own.gate = GATE_OUT
            fence()
            self.board.ring_left()
        return self.unwatch()

    cdef void look_again(self, bint soon) noexcept:
        """Decide again with the clock's next tick or after a wait; or only for a reason."""
        self.recheck_ns = INT64_MAX
        self.wait_ns = -1
        if soon:
            self.recheck_ns = self.now_ns + 1
            # Less than a tick would end before the clock does.
            self.wait_ns = max(self.check_ns - clock_ns(), <int64_t>LEFT_CHECK_MS * NS_PER_MS)

    # ---- the share

    cdef bint above_share(self, bint inside) noexcept:
        """True if this worker has more connections than the mean allows."""
        self.add_up()
        return exceeds(self.active - self.extra, self.total, self.count, inside)

    cdef int add_up(self) noexcept:
        """Add up the connections of the workers that take part. O(slots)."""
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
        """Ring for the workers that left and are no longer above the mean. O(slots)."""
        cdef Slot* other
        cdef int i
        self.add_up()
        for i in range(self.board.slot_count):
            other = &self.board.slots[i]
            if other.gate == GATE_LEFT and not exceeds(other.active, self.total, self.count, False):
                if word_swap(&other.gate, GATE_LEFT, GATE_CALLED):
                    self.own.calls += 1
                    self.board.wake_worker(i)
        return 0

    # ---- if the others do not accept

    cdef int check_others(self, int64_t now_ns) noexcept:
        """Take more than the share while a connection waits and no other worker accepts."""
        cdef uint64_t accepted
        cdef bint waits
        if now_ns < self.check_ns:
            return 0
        accepted = self.accepted_by_others()
        waits = self.connection_waits()
        if accepted == self.others_accepted and waits:
            self.extra = 2 * self.extra + 1
        else:
            self.extra = 0
        self.others_accepted = accepted
        if not self.others_sleep() or waits:
            self.changed_ns = now_ns
        self.check_ns = now_ns + self.quiet_delay(now_ns - self.changed_ns, LEFT_CHECK_MS)
        return 0

    cdef uint64_t accepted_by_others(self) noexcept:
        cdef uint64_t accepted = 0
        cdef int i
        for i in range(self.board.slot_count):
            accepted += self.board.slots[i].accepted
        return accepted - self.own.accepted

    cdef bint others_sleep(self) noexcept:
        """Return whether the workers that listen have slept since the last check. O(slots).

        Those that left do not matter: they run now and then to check on us.
        """
        cdef Slot* other
        cdef uint64_t turns = 0
        cdef bint asleep = True
        cdef int i
        for i in range(self.board.slot_count):
            other = &self.board.slots[i]
            if other != self.own and other.gate == GATE_IN and self.takes_part(other):
                turns += other.turns
                asleep = asleep and other.waiting != WAIT_NONE
        if turns != self.others_turns:
            self.others_turns = turns
            asleep = False
        return asleep

    cdef bint connection_waits(self) noexcept:
        """Return whether a connection is in the queue of a listening socket."""
        cdef pollfd query
        cdef int i
        query.events = POLLIN
        for i in range(self.listener_count):
            query.fd = self.listeners[i].connection.fd
            if poll(&query, 1, 0) > 0:
                return True
        return False


cdef bint exceeds(int64_t active, int64_t total, int64_t count, bint inside) noexcept:
    """True if active is above total / count, or, inside, above that and the slack."""
    cdef int64_t slack = SLACK_COUNT * count + total // SLACK_DIVISOR if inside else 0
    return active * count > total + slack
