"""MutexGate: one worker at a time listens, the one that holds the mutex; nginx's accept_mutex.

How it works. Before every wait a worker tries to get the mutex, a word of shared memory that holds
the pid of its owner. The winner watches the listeners during its wait and releases the mutex right
after the accepts of the turn, before anything else runs. It does not stop watching then: if it wins
again, it has saved two calls. The losers stop watching and try again after MUTEX_DELAY_MS.
While the same worker sleeps with the mutex, each wait of a loser is twice the one before, up to
QUIET_DELAY_MS: an idle server hardly runs. A worker that waits longer than MUTEX_DELAY_MS marks its
slot, then checks again; one that releases the mutex wakes one marked worker. So one of the two
always sees the other, and a worker tries to get the mutex at once although the one that released it
may be busy for long. It wakes one only, because a wake-up in every turn would wake all for
each request; under load all have been woken, and keep to MUTEX_DELAY_MS.
If the holder is stopped, or the one it wakes, or a worker has written garbage into the word, a
connection waits. A worker that is urged then takes the mutex, whichever process has it: two that
listen at the same time do no harm, and the former holder finds that it has lost it.
A worker with less than an eighth of its connections free does not compete.
Models: ngx_trylock_accept_mutex, ngx_shmtx_trylock, ngx_accept_disabled, ngx_unlock_mutexes.

Departures from nginx. The delay under load is 10 ms, not 500: that long no worker may accept when
the holder is busy and the others sleep. nginx has no wake-up. A worker that does not compete stops
watching, where nginx lets it continue without the mutex; if all are that full, the one with the
fewest connections continues. Fullness is checked in every turn; nginx counts down from its value at
the last accept. The mutex of a dead worker is freed by the master when it reaps the worker, and by
a waiting worker if there is no master any more.
"""

cimport cython
from libc.errno cimport ESRCH, errno
from libc.stdint cimport int64_t
from posix.signal cimport kill

from ngxloop.core.atomic cimport fence, word_read, word_swap
from ngxloop.core.clock cimport NS_PER_MS
from ngxloop.core.limits cimport MUTEX_DELAY_MS
from ngxloop.core.scoreboard cimport (
    GATE_IN,
    GATE_LEFT,
    GATE_OUT,
    WAIT_KERNEL,
    WAIT_MUTEX,
    Slot,
)
from ngxloop.core.shared_gate cimport SharedGate


@cython.final
cdef class MutexGate(SharedGate):
    """The gate of mode mutex; see the file header."""

    cdef int64_t before_wait(self, bint may_block) except? -2:
        """Decide again; before a long wait ask to be woken, and check whether that was too late."""
        self.unlock()  # a turn inside a callback of an accept: the outer turn still holds it
        SharedGate.before_wait(self, may_block)
        if may_block and self.wakeup_fd >= 0 and self.wait_ns > <int64_t>MUTEX_DELAY_MS * NS_PER_MS:
            self.own.waiting = WAIT_MUTEX
            fence()
            if word_read(&self.board.header.mutex_pid) == 0:
                self.own.waiting = WAIT_KERNEL
                self.changed_ns = self.now_ns  # if another worker is faster: no long wait
                self.settle()
        return self.longest_wait()

    cdef int woken_by_other(self) except -1:
        """The mutex may be free, or its holder may be busy soon: keep trying for a while."""
        self.changed_ns = self.now_ns
        return SharedGate.woken_by_other(self)

    cdef int settle(self) except -1:
        """Watch the listeners if the mutex can be had."""
        self.unsettled = True  # the mutex is free for all after each turn
        if self.must_stay_out():
            self.wait_ns = -1
            return self.stay_out(GATE_OUT)
        self.wait_ns = <int64_t>MUTEX_DELAY_MS * NS_PER_MS
        if not self.is_urged and self.should_leave():
            return self.stay_out(GATE_LEFT)
        self.own.gate = GATE_IN
        if not self.lock() and not (self.is_urged and self.seize()):
            self.wait_ns = self.quiet_delay(self.now_ns - self.changed_ns, MUTEX_DELAY_MS)
            return self.unwatch()
        self.wait_ns = -1
        return self.watch()

    cdef int after_accepts(self) except -1:
        self.unlock()
        return SharedGate.after_accepts(self)

    cdef void turns_ended(self) noexcept:
        self.unlock()
        SharedGate.turns_ended(self)

    cdef void forked(self) noexcept:
        self.held = False
        SharedGate.forked(self)

    cdef int stay_out(self, int64_t gate) except -1:
        if gate == GATE_LEFT and self.own.gate == GATE_IN:
            self.own.left += 1
        self.own.gate = gate
        return self.unwatch()

    cdef bint should_leave(self) noexcept:
        """True if this worker is nearly full and another one has fewer connections."""
        cdef Slot* other
        cdef int i
        if not self.is_nearly_full():
            return False
        for i in range(self.board.slot_count):
            other = &self.board.slots[i]
            if other == self.own or not self.takes_part(other):
                continue
            if other.active < self.active or (other.active == self.active and i < self.slot):
                return True
        return False

    # ---- the mutex

    cdef bint lock(self) noexcept:
        """Try to get the mutex; True if it is ours for this turn."""
        cdef int64_t* word = &self.board.header.mutex_pid
        self.held = word_read(word) == 0 and word_swap(word, 0, self.pid)
        if not self.held and self.holder_is_dead():
            self.held = word_swap(word, self.seen_pid, self.pid)
        if self.held:
            self.board.header.mutex_taken += 1
            self.own.locks += 1
        return self.held

    cdef bint seize(self) noexcept:
        """Take the mutex from whoever has it; True, because it is ours then."""
        cdef int64_t* word = &self.board.header.mutex_pid
        while not word_swap(word, word_read(word), self.pid):
            pass
        self.board.header.mutex_taken += 1
        self.own.locks += 1
        self.held = True
        return True

    cdef void unlock(self) noexcept:
        if self.held:
            self.held = False
            word_swap(&self.board.header.mutex_pid, self.pid, 0)
            self.ring_waiter()

    cdef int ring_waiter(self) noexcept:
        """Ring for one worker that waits long for the mutex, if there is one. O(slots)."""
        cdef int64_t* waiting
        cdef int i
        for i in range(self.board.slot_count):
            waiting = &self.board.slots[i].waiting
            if waiting[0] == WAIT_MUTEX and word_swap(waiting, WAIT_MUTEX, WAIT_KERNEL):
                return self.board.wake_worker(i)
        return 0

    cdef bint holder_is_dead(self) noexcept:
        """True if the same process has kept the mutex for longer than a delay and does not exist.

        A mutex with our own pid, which we do not hold, was left by a former process of that number.
        """
        cdef int64_t pid = word_read(&self.board.header.mutex_pid)
        if pid != self.seen_pid or self.board.header.mutex_taken != self.seen_taken:
            self.seen_pid = pid
            self.seen_taken = self.board.header.mutex_taken
            self.changed_ns = self.asked_ns = self.now_ns
            return False
        if pid == 0 or self.now_ns - self.asked_ns < <int64_t>MUTEX_DELAY_MS * NS_PER_MS:
            return False
        self.asked_ns = self.now_ns
        return pid == self.pid or (kill(<int>pid, 0) < 0 and errno == ESRCH)
