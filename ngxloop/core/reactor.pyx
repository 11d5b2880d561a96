"""Reactor: the turn of the event loop.

How it works. turn() is the whole loop on one page: it lists the phases and calls them.
Everything that can run is an Event; the kernel's events are posted to queues like call_soon's, and
the queues are worked off in the order in which asyncio would have done it: what was ready before
the poll comes first, then I/O, then due timers, and what is posted meanwhile waits for the next
turn. Model: ngx_process_events_and_timers (nginx src/event/ngx_event.c).

Every turn polls, as asyncio's does: programs rely on sleep(0) letting I/O happen. The call is left
out only when it could find nothing, because nothing but the wake-up fds is watched: a wake-up also
posts to the queue that is looked at anyway, and a signal without a handler of ours is Python's
business.

Rules. The GIL is given up only while waiting. Other threads touch a Reactor only through
call_soon_threadsafe, with the GIL held: posting is safe because no structure is left half-changed
where Python code may run. After an exception that ends the run (SystemExit, KeyboardInterrupt) the
rest of the batch runs first thing in the next run.

A forked child gets an epoll instance and wake-up fds of its own, under the same numbers: epoll_ctl
on the inherited ones would change what the parent watches. What is watched is told to the new
instance when the loop runs in the child, if it ever does.
"""

from cpython.exc cimport PyErr_CheckSignals
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject_GenericSetAttr
from libc.errno cimport ENOMEM, ENOSPC
from libc.stdint cimport int64_t, uint32_t

from sys import _getframe

from ngxloop.core.clock cimport NS_PER_SECOND, clock_ns, ns_from_seconds, seconds_from_ns
from ngxloop.core.event cimport (
    KIND_INTERNAL,
    KIND_WATCHER,
    Connection,
    Event,
    EventQueue,
)
from ngxloop.core.gate cimport AcceptGate
from ngxloop.core.handle cimport (
    Handle,
    handle_call,
    handle_drop,
    handle_fill,
    handle_new,
    handle_post,
    handle_run,
)
from ngxloop.core.limits cimport POOL_CHUNK_SIZE, RECEIVE_BYTES, WAIT_SECONDS_MAX
from ngxloop.core.linux cimport (
    EPOLLERR,
    EPOLLET,
    EPOLLHUP,
    EPOLLIN,
    EPOLLOUT,
    EPOLLPRI,
    EPOLLRDHUP,
    epoll_event,
)
from ngxloop.core.pool cimport ConnectionPool
from ngxloop.core.poller cimport Poller
from ngxloop.core.rbtree cimport tree_init
from ngxloop.core.ready cimport event_post, queue_init, queue_is_empty, queue_move, queue_take
from ngxloop.core.timers cimport TimerHandle, timer_arm, timers_drop, timers_expire
from ngxloop.core.waker cimport Waker


cdef object extract_stack = None


def bind_extract_stack(function) -> None:
    """Say how debug mode records where a handle was scheduled: function(frame) -> StackSummary."""
    global extract_stack
    extract_stack = function


cdef class Reactor:
    """The compiled half of the event loop: scheduling, timers, polling. See the file header."""

    def __cinit__(self, *args, **kwargs):
        self.closed = True  # until there is something to close: __del__ asks
        queue_init(&self.ready)
        queue_init(&self.batch)
        queue_init(&self.accepts)
        queue_init(&self.flushes)
        tree_init(&self.timers)
        self.slow_seconds = 0.1
        self.clock_overridden = type(self).time is not Reactor.time
        self.poller = Poller()
        self.pool = ConnectionPool()
        self.waker = Waker()
        self.gate = AcceptGate()
        self.gate.attach(self.poller, NULL)
        watch_internal(self, self.waker.event_fd, EPOLLIN | EPOLLET)
        self.closed = False

    def __dealloc__(self):
        PyMem_Free(self.receive_buffer)

    # ---- the turn

    cdef int turn(self) except -1:
        """Run one turn of the loop."""
        self.turn_count += 1
        if self.poller_is_new:
            self.watch_again()
        if self.pool.changed != NULL:
            self.apply_changes()
        self.collect_events()
        if not queue_is_empty(&self.accepts):
            self.run_accepts()
        self.gate.after_accepts()
        if self.timers.first != NULL:
            self.expire_timers()
        if self.debugging:
            self.run_ready_debugging()
        else:
            self.run_ready()
        if not queue_is_empty(&self.flushes):
            self.run_flushes()
        return 0

    cdef int collect_events(self) except -1:
        """Ask the gate and the timers how long to wait; wait; post what the kernel reports."""
        cdef bint busy = self.stopping or not queue_is_empty(&self.ready)
        cdef int64_t limit_ns = self.gate.before_wait(not busy)
        cdef int64_t timeout_ns = 0 if busy else self.wait_limit(limit_ns)
        if timeout_ns != 0:
            return self.sleep(timeout_ns)
        if self.pool.used_count > self.internal_count or self.watches_signals:
            self.poll_count += 1
            return self.dispatch(self.poller.poll())
        return 0

    cdef int64_t wait_limit(self, int64_t limit_ns) except? -2:
        """Return the time until the first timer, at most limit_ns (-1: none); -1 waits for ever."""
        cdef int64_t until_ns
        if self.timers.first == NULL:
            return limit_ns
        until_ns = self.timers.first.key - self.now_ns()
        if until_ns <= 0:
            return 0
        if 0 <= limit_ns < until_ns:
            return limit_ns
        return min(until_ns, <int64_t>WAIT_SECONDS_MAX * NS_PER_SECOND)

    cdef int sleep(self, int64_t timeout_ns) except -1:
        """Wait for kernel events; signals that came meanwhile are handled before them."""
        cdef int count
        self.poll_count += 1
        self.waker.woken = False
        self.waker.sleeping = True
        if self.stopping or not queue_is_empty(&self.ready):
            timeout_ns = 0  # a time() of Python code let another thread or a signal in
        try:
            count = self.poller.wait(timeout_ns)
        finally:
            self.waker.sleeping = False
        if count == 0:
            PyErr_CheckSignals()
        return self.dispatch(count)

    cdef int dispatch(self, int count) except -1:
        """Post the events of the last wait; drop those meant for a former user of a slot."""
        cdef Connection* connection
        cdef epoll_event* kernel_event
        cdef uint32_t mask
        cdef int i
        for i in range(count):
            kernel_event = &self.poller.events[i]
            connection = self.pool.connection_find(kernel_event.data.u64)
            if connection == NULL:
                self.drop_stale(kernel_event.data.u64)
                continue
            mask = kernel_event.events
            if mask & (EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLPRI):
                connection.read.drain = 1
                mask |= EPOLLIN
                if mask & (EPOLLERR | EPOLLHUP):  # news for whoever waits, in either direction
                    mask |= EPOLLOUT
            if mask & EPOLLIN:
                connection.read.ready = 1
                if connection.read.active and not connection.read.posted:
                    event_post(
                        &self.accepts if connection.read.accept else &self.ready, &connection.read
                    )
            if mask & EPOLLOUT:
                connection.write.ready = 1
                if connection.write.active and not connection.write.posted:
                    event_post(&self.ready, &connection.write)
        if count == self.poller.capacity:
            self.poller.grow()
        return 0

    cdef int drop_stale(self, uint64_t key) except -1:
        """Take note of an event for a former user of a slot; start anew if it goes on.

        The fd was closed, but a duplicate keeps its file open: epoll goes on reporting it, and
        nobody can remove it any more. Only a new epoll instance does not know of it. What ends the
        very next wait as well is level-triggered and would end them all.
        """
        if self.stale_poll == self.poll_count:  # this wait counts once
            return 0
        if key == self.stale_key or self.stale_poll + 1 == self.poll_count:
            self.poller.renew()
            self.poller_is_new = True
        self.stale_key = key
        self.stale_poll = self.poll_count
        return 0

    cdef int run_accepts(self) except -1:
        """Accept for every listener that the kernel named."""
        cdef Event* ev
        while not queue_is_empty(&self.accepts):
            ev = queue_take(&self.accepts)
            ev.handler(ev)
        return 0

    cdef int expire_timers(self) except -1:
        """Post the timers that are due."""
        return timers_expire(&self.timers, &self.ready, self.now_ns())

    cdef int run_ready(self) except -1:
        """Run what is ready now; what gets ready meanwhile waits for the next turn."""
        cdef Event* ev
        queue_move(&self.ready, &self.batch)
        while not queue_is_empty(&self.batch):
            ev = queue_take(&self.batch)
            ev.handler(ev)
        return 0

    cdef int run_ready_debugging(self) except -1:
        """The same, telling of every event that took long."""
        cdef Event* ev
        cdef Handle handle
        queue_move(&self.ready, &self.batch)
        while not queue_is_empty(&self.batch):
            ev = queue_take(&self.batch)
            if ev.handler == handle_run:
                handle = <Handle>ev.data
                run_handle_timed(self, handle, ev)
            else:
                run_event_timed(self, ev)
        return 0

    cdef int run_flushes(self) except -1:
        """Send what was written in this turn; what is written meanwhile is sent as well."""
        cdef Event* ev
        while not queue_is_empty(&self.flushes):
            ev = queue_take(&self.flushes)
            ev.handler(ev)
        return 0

    cdef int apply_changes(self) except -1:
        """Tell the poller what watchers want; a watcher that wants nothing loses its slot."""
        cdef Connection* connection = self.pool.changed
        while connection != NULL:
            self.pool.changed = connection.next
            connection.next = NULL
            connection.changed = 0
            if connection.wanted == 0:
                drop_watcher(self, connection)
            elif connection.wanted != connection.interest or connection.replaced:
                connection.replaced = 0
                watch_or_drop(self, connection, connection.wanted)
            connection = self.pool.changed
        return 0

    # ---- for the layers above

    cdef void post(self, Event* ev) noexcept:
        """Make an event run in the next batch, unless it stands in a queue already."""
        if not ev.posted:
            event_post(&self.ready, ev)

    cdef int check_open(self) except -1:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        return 0

    cdef int64_t now_ns(self) except? -1:
        if self.clock_overridden:
            return ns_from_seconds(self.time())
        return clock_ns()

    cdef char* shared_buffer(self) except NULL:
        """Return RECEIVE_BYTES of memory that is valid until the next receive of any connection."""
        if self.receive_buffer == NULL:
            self.receive_buffer = <char*>PyMem_Malloc(RECEIVE_BYTES)
            if self.receive_buffer == NULL:
                raise MemoryError(f"no memory for a receive buffer of {RECEIVE_BYTES} bytes")
        return self.receive_buffer

    cdef int check_call(self, callback, str method) except -1:
        """Raise what debug mode raises for a wrong thread or a wrong callback."""
        if method != "call_soon_threadsafe":
            self._check_thread()
        self._check_callback(callback, method)
        return 0

    cdef list origin(self):
        """Return what Handle.origin holds for a handle that Python code makes right now."""
        return None if extract_stack is None else [extract_stack(_getframe()), None]

    # ---- scheduling

    def call_soon(self, callback, *args, context=None):
        """Run callback(*args) in the next turn, after what is ready already.

        Args:
            context: the contextvars.Context to run in; a copy of the current one by default.

        Returns:
            A Handle whose cancel() prevents the call.

        Raises:
            RuntimeError: the loop is closed; in debug mode also, if called from another thread.
        """
        cdef Handle handle
        if self.closed:
            self.check_open()
        if self.debugging:
            self.check_call(callback, "call_soon")
        handle = handle_new(self, callback, args, context)
        if self.debugging:
            handle.origin = self.origin()
        handle_post(handle, &self.ready)
        return handle

    def call_soon_threadsafe(self, callback, *args, context=None):
        """Like call_soon, from any thread and from signal handlers; wakes the loop if it waits."""
        cdef Handle handle
        if self.closed:
            self.check_open()
        if self.debugging:
            self.check_call(callback, "call_soon_threadsafe")
        handle = handle_new(self, callback, args, context)
        if self.debugging:
            handle.origin = self.origin()
        handle_post(handle, &self.ready)
        self.waker.wake()
        return handle

    def call_later(self, delay, callback, *args, context=None):
        """Run callback(*args) after delay seconds, never early; a delay <= 0 means the next turn.

        Returns:
            A TimerHandle; timers with the same deadline run in the order they were made.
        """
        if delay is None:
            raise TypeError("delay must not be None")
        return schedule(self, self.time_now() + delay, callback, args, context, "call_later")

    def call_at(self, when, callback, *args, context=None):
        """Run callback(*args) when time() has reached when, in seconds; see call_later."""
        if when is None:
            raise TypeError("when cannot be None")
        return schedule(self, when, callback, args, context, "call_at")

    def time(self):
        """Return the loop's clock, in seconds: that of time.monotonic()."""
        return seconds_from_ns(clock_ns())

    cdef object time_now(self):
        return self.time() if self.clock_overridden else seconds_from_ns(clock_ns())

    def stop(self):
        """End run_forever() after the current turn."""
        self.stopping = True

    # ---- state that BaseEventLoop keeps in attributes

    def get_debug(self):
        """Return whether debug mode is on."""
        return self.debugging

    def is_closed(self):
        """Return whether close() was called."""
        return self.closed

    def _check_closed(self):
        self.check_open()

    @property
    def _debug(self):
        return self.debugging

    @_debug.setter
    def _debug(self, value):
        self.debugging = bool(value)

    @property
    def _closed(self):
        return self.closed

    @_closed.setter
    def _closed(self, value):
        self.closed = bool(value)

    @property
    def _stopping(self):
        return self.stopping

    @_stopping.setter
    def _stopping(self, value):
        self.stopping = bool(value)

    @property
    def slow_callback_duration(self):
        """Seconds from which on debug mode reports a callback as slow."""
        return self.slow_seconds

    @slow_callback_duration.setter
    def slow_callback_duration(self, value):
        self.slow_seconds = value

    @property
    def _current_handle(self):
        return self.current_handle

    @_current_handle.setter
    def _current_handle(self, value):
        self.current_handle = value

    def __setattr__(self, name, value):
        if name == "time":  # a test clock
            self.clock_overridden = True
        PyObject_GenericSetAttr(self, name, value)

    # ---- for loop.py

    def _run_turns(self):
        """Run turns until stop() is called."""
        queue_move(&self.batch, &self.ready)  # what an exception kept from running
        if type(self).time is not Reactor.time:  # patched in the class
            self.clock_overridden = True
        self.in_turn = True
        try:
            while True:
                self.turn()
                if self.stopping:
                    return
        finally:
            self.in_turn = False
            self.gate.turns_ended()
            self.run_flushes()  # nothing to do, unless an exception ended the turn

    def _run_once(self):
        """Run a single turn; for programs that step a loop by hand."""
        queue_move(&self.batch, &self.ready)
        try:
            self.turn()
        finally:
            self.gate.turns_ended()

    def set_accept_gate(self, AcceptGate gate not None):
        """Let gate decide when this loop's listeners are watched; before any listener exists."""
        cdef Connection* bell = NULL
        self.check_open()
        if self.gate.listener_count or self.gate.bell != NULL:
            raise RuntimeError("this loop has listeners or an accept gate already")
        if gate.poller is not None:
            raise RuntimeError(f"{gate!r} belongs to another loop")
        if gate.bell_fd >= 0:
            bell = watch_internal(self, gate.bell_fd, EPOLLIN | EPOLLET)
        gate.attach(self.poller, bell)
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

    def _watch_signals(self, watch):
        """Say whether signal handlers are installed, so that every turn looks for signals."""
        self.watches_signals = watch

    def _drop_everything(self):
        """Forget all that is scheduled or watched and close the loop's own fds."""
        drop_events(&self.batch)
        drop_events(&self.ready)
        timers_drop(&self.timers)
        self.gate.loop_closed()
        self.pool.free_all()
        self.poller.close()
        self.gate = AcceptGate()  # the other one may keep fds open

    def _forked(self):
        """Stop sharing epoll and wake-up fds with the parent process; called in a forked child."""
        if not self.closed:
            self.waker.renew()
            self.poller.renew()
            self.gate.forked()
            self.poller_is_new = True

    cdef int watch_again(self) except -1:
        """Tell a new epoll instance what the old one knew."""
        cdef Connection* connection
        cdef uint32_t i
        for i in range(self.pool.chunk_count * POOL_CHUNK_SIZE):
            connection = self.pool.connection_at(i)
            if connection.fd < 0 or not connection.interest:
                continue
            if connection.kind == KIND_WATCHER:
                watch_or_drop(self, connection, connection.interest)
            else:
                watch_or_run(self, connection)
        self.poller_is_new = False  # last: an exception leaves the rest to the next turn
        return 0


cdef int claim_fd(Reactor reactor, int fd) except -1:
    """Make sure that no slot uses an fd the kernel has just handed out.

    A watcher may: its user closed the fd without remove_reader, or has just removed the reader and
    epoll is not told yet. A transport may not.
    """
    cdef Connection* connection = reactor.pool.connection_of_fd(fd)
    if connection == NULL:
        return 0
    if connection.kind == KIND_WATCHER:
        return drop_watcher(reactor, connection)
    raise RuntimeError(
        f"File descriptor {fd} is used by transport {<object>connection.owner!r}, "
        f"whose socket was closed by somebody else"
    )


cdef Connection* watch_internal(Reactor reactor, int fd, uint32_t mask) except NULL:
    """Watch a fd of the loop itself; the slot's owner is the waker, which closes the fd."""
    cdef Connection* connection
    claim_fd(reactor, fd)
    connection = reactor.pool.connection_get(fd, KIND_INTERNAL, reactor.waker)
    connection.read.data = <void*>reactor
    reactor.poller.poll_add(connection, mask)
    reactor.internal_count += 1
    return connection


cdef int drop_watcher(Reactor reactor, Connection* connection) except -1:
    """Watch an fd no more and give its slot back."""
    try:
        if connection.interest:
            reactor.poller.poll_remove(connection)
    finally:
        reactor.pool.connection_free(connection)
    return 0


cdef int watch_or_drop(Reactor reactor, Connection* connection, uint32_t mask) except -1:
    """Change what a watcher's fd is watched for; one that was closed unasked is watched no more."""
    cdef int fd = connection.fd
    cdef object watcher = <object>connection.owner
    try:
        return reactor.poller.poll_modify(connection, mask)
    except OSError as exc:
        reactor.pool.connection_free(connection)  # first: the handler may watch the number anew
        reactor.call_exception_handler({
            "message": f"fd {fd} is no longer watched: {watcher!r}",
            "exception": exc,
        })
    return 0


cdef int watch_or_run(Reactor reactor, Connection* connection) except -1:
    """Watch an fd of the loop's own; if somebody has closed it, let the next receive find out."""
    try:
        return reactor.poller.poll_add(connection, connection.interest)
    except OSError as exc:
        if exc.errno in (ENOMEM, ENOSPC):  # may pass; the others would never be watched
            raise
        reactor.post(&connection.read)
    return 0


cdef int signals_run(Event* ev) except -1:
    """Handle the signals that have come (an EventHandler): Python's handlers, then the loop's."""
    cdef Reactor reactor = <Reactor>ev.data
    cdef bytes numbers = reactor.waker.drain_signals()
    try:
        PyErr_CheckSignals()
    finally:  # a KeyboardInterrupt must not lose the other signals
        reactor._process_signals(numbers)
    return 0


cdef object schedule(Reactor reactor, when, callback, args, context, str method):
    cdef TimerHandle timer
    cdef double when_seconds = when
    if reactor.closed:
        reactor.check_open()
    if reactor.debugging:
        reactor.check_call(callback, method)
    timer = TimerHandle.__new__(TimerHandle)
    handle_fill(timer, reactor, callback, args, context)
    if reactor.debugging:
        timer.origin = reactor.origin()
    timer_arm(timer, &reactor.timers, when_seconds)
    return timer


cdef int run_handle_timed(Reactor reactor, Handle handle, Event* ev) except -1:
    """Run a handle in debug mode: known as the current one, and reported if it took long."""
    cdef int64_t start_ns = clock_ns()
    cdef double seconds
    reactor.current_handle = handle
    try:
        handle_call(handle)
        seconds = seconds_from_ns(clock_ns() - start_ns)
        if seconds >= reactor.slow_seconds:
            reactor._report_slow(handle, seconds)
    finally:
        reactor.current_handle = None
        handle_drop(ev)
    return 0


cdef int run_event_timed(Reactor reactor, Event* ev) except -1:
    """Run a connection's event in debug mode; its owner may be gone afterwards."""
    cdef int64_t start_ns = clock_ns()
    cdef object owner = <object>ev.data
    cdef double seconds
    ev.handler(ev)
    seconds = seconds_from_ns(clock_ns() - start_ns)
    if seconds >= reactor.slow_seconds:
        reactor._report_slow(owner, seconds)
    return 0


cdef int drop_events(EventQueue* queue) except -1:
    """Empty a queue: handles are forgotten, events of connections go on in their slots."""
    cdef Event* ev
    while not queue_is_empty(queue):
        ev = queue_take(queue)
        if ev.handler == handle_run:
            handle_drop(ev)
    return 0
