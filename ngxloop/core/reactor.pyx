"""Reactor: the turn of the event loop.

How it works. turn() is the whole loop on one page: it lists the phases and calls them.
Everything that can run is an Event; the kernel's events are posted to queues like call_soon's, and
the queues are worked off in the order in which asyncio would have done it: what was ready before
the poll comes first, then I/O, then due timers, and what is posted meanwhile waits for the next
turn. Model: ngx_process_events_and_timers (nginx src/event/ngx_event.c).

Every turn polls, as asyncio's does: programs rely on sleep(0) letting I/O happen. The call is left
out only when it could find nothing, because nothing but the wake-up fds is watched: a wake-up also
posts to the queue that is checked anyway, and a signal without a handler of ours is handled by
Python.

Rules. The GIL is given up only while waiting. Other threads touch a Reactor only through
call_soon_threadsafe, with the GIL held: posting is safe because no structure is left half-changed
where Python code may run. After an exception that ends the run (SystemExit, KeyboardInterrupt) the
rest of the batch runs first thing in the next run.

A forked child gets an epoll instance and wake-up fds of its own, under the same numbers: epoll_ctl
on the inherited ones would change what the parent watches. What is watched is added to the new
instance when the loop runs in the child, if it ever does.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.pythread cimport PyThread_get_thread_ident
from libc.stdint cimport int64_t, uint32_t

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(object owner)

from types import MethodDescriptorType

from ngxloop.core.clock cimport clock_ns, ns_from_seconds, seconds_from_ns
from ngxloop.core.event cimport KIND_INTERNAL, Connection, Event, EventQueue
from ngxloop.core.gate cimport AcceptGate
from ngxloop.core.handle cimport handle_drop, handle_run
from ngxloop.core.limits cimport RECEIVE_BYTES, SIGNAL_BYTES
from ngxloop.core.linux cimport EPOLLET, EPOLLIN
from ngxloop.core.methods cimport is_same_method
from ngxloop.core.ready cimport (
    queue_init,
    queue_is_empty,
    queue_move,
    queue_settle,
    queue_take,
)
from ngxloop.core.threadsafe_handle cimport threadsafe_run
from ngxloop.core.timers cimport timers_drop, timers_expire
from ngxloop.core.waiting cimport Waiting

# What one event reads of the signal pipe: twice what it holds, 64 KiB.
cdef int SIGNAL_READ_COUNT_MAX = 131072 // SIGNAL_BYTES

# What a clock of the program's may lack because of rounding, in ns: as asyncio's _clock_resolution.
cdef enum:
    CLOCK_STEP_NS = 1


cdef class Reactor(Waiting):
    """The turns of the event loop; see the file header."""

    def __cinit__(self, *args, **kwargs):
        queue_init(&self.batch)
        queue_init(&self.flushes)
        self.look_for_overrides()
        watch_internal(self, self.waker.event_fd, EPOLLIN | EPOLLET)
        self.closed = False

    def __dealloc__(self):
        PyMem_Free(self.receive_buffer)

    # ---- the turn

    cdef int turn(self) except -1:
        """Run one turn of the loop."""
        self.turn_count += 1
        if self.joining or not queue_is_empty(&self.flushes):
            self.flush()  # this turn is inside a callback of another one, and may wait
        if self.poller_is_new:
            self.watch_again()
        if self.pool.changed != NULL:
            self.apply_changes()
        if self.timer_view is not None:
            self.settle_timers()
        self.collect_events()
        self.joining = self.coalescing
        if not queue_is_empty(&self.accepts):
            self.run_accepts()
        self.gate.after_accepts()
        if self.timers.count:
            self.expire_timers()
        self.run_ready()
        if self.joining or not queue_is_empty(&self.flushes):
            self.flush()
        return 0

    cdef int run_accepts(self) except -1:
        """Accept for every listener that the kernel named."""
        cdef Event* ev
        if self.stopwatch.running:
            return self.stopwatch.run_queue(self, &self.accepts)
        while not queue_is_empty(&self.accepts):
            ev = queue_take(&self.accepts)
            ev.handler(ev)
        return 0

    cdef int settle_timers(self) except -1:
        """Let a program's changes of its list of timers take effect; see timerlist.pyx."""
        cdef object timers = self.timer_view
        timers._settle()
        if Py_REFCNT(timers) == 2:  # ours: the program has not kept it
            self.timer_view = None
        return 0

    cdef int expire_timers(self) except -1:
        """Post the timers that are due."""
        cdef int64_t now_ns = self.now_ns()
        if self.clock_overridden:
            now_ns += CLOCK_STEP_NS
        return timers_expire(&self.timers, &self.ready, now_ns)

    cdef int run_ready(self) except -1:
        """Run what is ready now; what gets ready meanwhile waits for the next turn."""
        cdef Event* ev
        queue_move(&self.ready, &self.batch)
        if self.stopwatch.running:
            self.stopwatch.run_queue(self, &self.batch)
        while not queue_is_empty(&self.batch):
            ev = queue_take(&self.batch)
            ev.handler(ev)
        queue_settle(&self.batch)
        return 0

    cdef int flush(self) except -1:
        """Send what was joined, and what is written meanwhile; from then on nothing waits.

        So output never waits while the loop sleeps: other threads and signal handlers that write
        then send at once.
        """
        cdef Event* ev
        self.joining = False
        while not queue_is_empty(&self.flushes):
            ev = queue_take(&self.flushes)
            ev.handler(ev)
        return 0

    cdef unsigned long enter_turns(self) except? 1:
        """Note that this thread turns the loop from now on; return what turns_thread was before.

        Raises:
            RuntimeError: another thread turns it.
        """
        cdef unsigned long outer = self.turns_thread
        cdef unsigned long thread = PyThread_get_thread_ident()
        if outer != 0 and outer != thread:
            raise RuntimeError("the event loop runs in another thread")
        self.turns_thread = thread
        return outer

    cdef int turns_ended(self) except -1:
        """Leave nothing behind; there is output left if an exception ended the turn."""
        self.gate.turns_ended()
        return self.flush()

    # ---- for the layers above

    cdef int check_open(self) except -1:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        return 0

    cdef char* shared_buffer(self) except NULL:
        """Return RECEIVE_BYTES of memory that is valid until the next receive of any connection."""
        if self.receive_buffer == NULL:
            self.receive_buffer = <char*>PyMem_Malloc(RECEIVE_BYTES)
            if self.receive_buffer == NULL:
                raise MemoryError(f"no memory for a receive buffer of {RECEIVE_BYTES} bytes")
        return self.receive_buffer

    def time(self):
        """Return the loop's clock, in seconds: that of time.monotonic()."""
        return seconds_from_ns(clock_ns())

    cdef int look_for_overrides(self) except -1:
        """Find out whether a subclass has a clock of its own, or a call_at()."""
        if not is_same_method(type(self).time, Reactor.time):
            self.clock_overridden = True
        if type(getattr(type(self), "call_at", None)) is not MethodDescriptorType:
            self.call_at_overridden = True
        return 0

    cdef object time_now(self):
        return self.time() if self.clock_overridden else seconds_from_ns(clock_ns())

    def stop(self):
        """End run_forever() after the current turn."""
        self.stopping = True

    # ---- for loop.py

    def _run_turns(self):
        """Run turns until stop() is called."""
        cdef unsigned long outer = self.enter_turns()
        queue_move(&self.batch, &self.ready)  # what an exception kept from running
        self.look_for_overrides()  # a class may have been patched
        self.stopwatch.settle()
        try:
            while True:
                self.turn()
                if self.stopping:
                    return
        finally:
            self.turns_thread = outer
            self.turns_ended()

    def set_accept_gate(self, AcceptGate gate not None):
        """Let gate decide when this loop's listeners are watched; before any listener exists."""
        cdef Connection* wakeup = NULL
        self.check_open()
        if gate.poller is not None:
            raise RuntimeError(f"{gate!r} belongs to another loop")
        if self.gate.listener_count or type(self.gate) is not AcceptGate:
            raise RuntimeError("this loop has listeners or an accept gate already")
        if gate.wakeup_fd >= 0:
            wakeup = watch_internal(self, gate.wakeup_fd, EPOLLIN | EPOLLET)
        gate.attach(self.poller, wakeup, self.waker)
        gate.count_bytes(&self.received_bytes, &self.sent_bytes)
        self.gate = gate

    def _open_signal_pipe(self):
        """Return the fd that signal.set_wakeup_fd() is to write to."""
        cdef Connection* connection
        if self.waker.signal_fd < 0:
            self.waker.open_signal_pipe()
            connection = watch_internal(self, self.waker.signal_fd, EPOLLIN)
            connection.read.handler = signals_run
            connection.read.active = 1
        return self.waker.signal_write_fd

    def _leave_signal_pipe(self):
        """Leave the pipe open for ever: signals are still written to it, and its number is its own.
        """
        self.waker.signal_fd = self.waker.signal_write_fd = -1

    def _watch_signals(self, watch):
        """Set whether signal handlers are installed, so that every turn checks for signals."""
        self.watches_signals = watch

    def _set_slow_hook(self, hook, double seconds):
        """Set the hook to call after slow callbacks; None removes it."""
        self.stopwatch.set_hook(hook, seconds)

    def _set_busy_poll(self, double seconds):
        """Set how long the loop busy-polls before it sleeps."""
        self.busy_poll_ns = ns_from_seconds(seconds)

    def _set_write_coalescing(self, bint enabled):
        """Join the writes of a turn, or send each in its call."""
        self.coalescing = enabled
        if not enabled:
            self.flush()

    def _before_fork(self):
        """Send what is joined: the child would have a copy of it. Called in the parent."""
        cdef bint joining = self.joining
        self.flush()
        self.joining = joining

    def _drop_everything(self):
        """Forget all that is scheduled or watched and close the loop's own fds."""
        drop_events(&self.batch)
        drop_events(&self.ready)
        timers_drop(&self.timers)
        while not queue_is_empty(&self.flushes):  # an exception may have left some
            queue_take(&self.flushes)
        self.gate.loop_closed()
        self.pool.free_all()
        self.poller.close()
        self.ready_view = self.timer_view = self.selector = None  # each refers to the loop
        self.selector_replaced = False
        self.gate = AcceptGate()  # the other one may keep fds open

    def _forked(self):
        """Stop sharing epoll and wake-up fds with the parent process; called in a forked child."""
        self.turns_thread = 0  # it may be a thread that the child does not have
        if not self.closed:
            self.waker.renew()
            self.renew_poller()
            self.gate.forked()


cdef Connection* watch_internal(Reactor reactor, int fd, uint32_t mask) except NULL:
    """Watch a fd of the loop itself; the slot's owner is the waker, which closes the fd."""
    cdef Connection* connection
    connection = reactor.connection_claim(fd, KIND_INTERNAL, reactor.waker)
    connection.read.data = <void*>reactor
    try:
        reactor.poller.poll_add(connection, mask)
    except OSError:
        reactor.pool.connection_free(connection)  # or the slot keeps the waker and its fds
        raise
    reactor.internal_count += 1
    return connection


cdef int signals_run(Event* ev) except -1:
    """Handle the signals that have arrived (an EventHandler): Python's handlers, then the loop's.

    What is noted before the pipe is read has its byte in it, unless the pipe was full.
    """
    cdef Reactor reactor = <Reactor>ev.data
    cdef object noted = reactor._signals_noted()
    cdef bytes last = reactor.waker.drain_signals()
    cdef list chunks = [last]
    while len(last) == SIGNAL_BYTES and len(chunks) < SIGNAL_READ_COUNT_MAX:
        last = reactor.waker.drain_signals()
        chunks.append(last)
    if len(last) == SIGNAL_BYTES:
        noted = ()  # there is more to read
    try:
        PyErr_CheckSignals()
    finally:  # a KeyboardInterrupt must not lose the other signals
        reactor._process_signals(b"".join(chunks), noted)
    return 0


cdef int drop_events(EventQueue* queue) except -1:
    """Empty a queue: handles are dropped, events of connections remain in their slots."""
    cdef Event* ev
    while not queue_is_empty(queue):
        ev = queue_take(queue)
        if ev.handler == handle_run or ev.handler == threadsafe_run:
            handle_drop(ev)
    queue_settle(queue)
    return 0
