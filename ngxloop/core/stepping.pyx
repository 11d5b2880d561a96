"""Stepping: turns that a program takes by itself, also inside a callback of another turn.

How it works. _run_once() is one turn of the loop. Packages that replace it (nest_asyncio) make the
turn of these pieces: select() of _selector waits and posts, _process_events() accepts, _scheduled
and _ready hand out what is to run. Packages that replace select() (looptime) are called by the
loop's own turn in the place of its wait.

Rules. A turn inside a callback first takes what the outer one has not run yet: its batch goes to
the front of the ready queue, and the outer turn finds it empty. What joins writes ends, since only
a whole turn flushes. Two threads never turn a loop at once. An exception that leaves the inner turn
leaves the rest of its batch, which the outer turn goes on with.
"""

from libc.stdint cimport int64_t

from ngxloop.core.reactor cimport Reactor
from ngxloop.core.ready cimport queue_is_empty, queue_move


cdef class Stepping(Reactor):
    """The loop as other packages step it; see the file header."""

    def _run_once(self):
        """Run a single turn; for programs that step a loop by hand.

        Raises:
            RuntimeError: the loop is closed, or another thread turns it.
        """
        cdef unsigned long outer
        self.check_open()
        outer = self.enter_turns()
        queue_move(&self.batch, &self.ready)
        self.look_for_overrides()
        self.stopwatch.settle()
        try:
            self.turn()
        finally:
            self.turns_thread = outer
            self.turns_ended()

    def _process_events(self, events):
        """Accept what select() has found; everything else it has posted already."""
        self.turn_count += 1
        if not queue_is_empty(&self.accepts):
            self.run_accepts()
        self.gate.after_accepts()

    def _write_to_self(self):
        """End the loop's wait; from any thread."""
        self.waker.wake()

    cdef int poll_by_hand(self, int64_t timeout_ns) except -1:
        """Wait at most timeout_ns (-1: for ever) if nothing is ready; return how many events came.

        Raises:
            RuntimeError: the loop is closed, or another thread turns it.
        """
        cdef unsigned long outer
        self.check_open()
        outer = self.enter_turns()
        try:
            queue_move(&self.batch, &self.ready)
            self.flush()
            if self.poller_is_new:
                self.watch_again()
            if self.pool.changed != NULL:
                self.apply_changes()
            return self.wait_by_hand(timeout_ns)
        finally:
            self.turns_thread = outer

    cdef int wait_by_hand(self, int64_t timeout_ns) except -1:
        """Ask the gate how long the wait may last; wait, and post what the kernel reports."""
        cdef int64_t limit_ns = self.gate.before_wait(timeout_ns != 0)
        if limit_ns >= 0 and (timeout_ns < 0 or limit_ns < timeout_ns):
            timeout_ns = limit_ns
        if timeout_ns != 0:
            return self.sleep(timeout_ns)
        self.poll_count += 1
        return self.dispatch(self.poller.poll())
