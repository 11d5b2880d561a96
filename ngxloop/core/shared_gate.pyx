"""SharedGate: a worker among others on the same listening sockets.

Alone it is the mode `plain`: all workers watch the sockets all the time, the kernel wakes every
idle one for each connection, and the first takes it. It records in the scoreboard what the worker
does; the other modes decide by that.

Rules. Each event takes one connection, as in nginx with multi_accept off. asyncio takes up to a
hundred: the first worker awake gets a whole burst, while the others find nothing. A worker that
drains, or that has worker_connections open, does not listen; the connections wait in the kernel for
another one.

A gate with a heartbeat belongs to a master. It waits no longer than that, so that the master can
tell an idle worker from one that is stopped: its loop turns. And on an idle server it does not
check whether the others still accept: the master sees connections that no worker takes, and urges
all workers (Scoreboard.wake(urge=True)). A worker that is urged accepts, whatever the scoreboard
says, so that neither a stopped worker nor garbage in the memory keeps connections waiting.
"""

import logging
import resource

from cpython.number cimport PyNumber_AsSsize_t
from libc.errno cimport EINVAL, ENOMEM, ENOSPC
from libc.stdint cimport INT32_MAX, INT64_MAX, int64_t, uint64_t

from ngxloop.core.clock cimport NS_PER_MS, NS_PER_SECOND, clock_coarse_ns, ns_from_seconds
from ngxloop.core.event cimport Connection
from ngxloop.core.gate cimport AcceptGate
from ngxloop.core.limits cimport (
    ACCEPT_RETRY_MS,
    BLOCKED_MS,
    QUIET_DELAY_MS,
    ROOM_DIVISOR,
    SHARED_ACCEPT_COUNT,
    SPARE_FD_COUNT,
    WAIT_SECONDS_MAX,
)
from ngxloop.core.linux cimport EPOLLEXCLUSIVE, getpid
from ngxloop.core.poller cimport Poller
from ngxloop.core.scoreboard cimport (
    GATE_IN,
    GATE_OUT,
    STATE_DRAINING,
    STATE_READY,
    WAIT_KERNEL,
    WAIT_NONE,
    Scoreboard,
    Slot,
)
from ngxloop.core.waker cimport Waker

logger = logging.getLogger("asyncio")


cdef class SharedGate(AcceptGate):
    """The gate of mode plain and the base of the others; see the file header."""

    def __cinit__(
        self,
        Scoreboard board not None,
        slot,
        *,
        worker_connections=None,
        accept_limit=None,
        heartbeat=None,
    ):
        """Make the gate of the worker that has a slot of a scoreboard.

        Args:
            worker_connections: how many accepted connections may be open; by default as many as the
                process may have fds, except for a reserve of 64.
            accept_limit: connections that one event of a listener may take; by default one.
            heartbeat: the longest wait in seconds, with a master that urges; by default none.

        Raises:
            ValueError: there is no such slot, or one of the numbers is not positive.
        """
        self.own = board.slot_at(slot)
        self.worker_connections = connection_limit(worker_connections)
        self.board = board
        self.slot = <int>(self.own - board.slots)
        self.wakeup_fd = board.wakeup_fds[self.slot]
        self.accept_limit = accept_count(accept_limit)
        self.wait_ns = -1
        self.heartbeat_ns = heartbeat_delay(heartbeat)
        self.quiet_ns = <int64_t>QUIET_DELAY_MS * NS_PER_MS
        if heartbeat is not None and self.wakeup_fd >= 0:  # without it changes are not reported
            self.quiet_ns = self.heartbeat_ns
        self.recheck_ns = self.retry_ns = INT64_MAX

    def __repr__(self):
        return f"<ngxloop.{type(self).__name__} slot={self.slot} active={self.active}>"

    # ---- what the turn calls

    cdef int attach(self, Poller poller, Connection* wakeup, Waker waker) except -1:
        self.pid = getpid()
        self.board.use(self.slot, waker)
        return AcceptGate.attach(self, poller, wakeup, waker)

    cdef void count_bytes(self, const uint64_t* received, const uint64_t* sent) noexcept:
        self.loop_bytes[0] = received
        self.loop_bytes[1] = sent
        self.told_bytes[0] = received[0]
        self.told_bytes[1] = sent[0]

    cdef int64_t before_wait(self, bint may_block) except? -2:
        """Decide again if there is a reason to."""
        self.beat()
        if self.wakeup != NULL and self.wakeup.read.ready:
            self.wakeup.read.ready = 0
            self.woken_by_other()
        if self.board.is_woken:
            self.board.is_woken = False
            self.is_urged = self.board.is_urged
            self.board.is_urged = False
            self.woken_by_other()
        if self.now_ns >= self.recheck_ns or self.board.own_state >= STATE_DRAINING:
            self.unsettled = True
        if self.now_ns >= self.retry_ns:
            self.unsettled = True
        if self.unsettled:
            self.unsettled = False
            self.retry_ns = INT64_MAX
            self.settle()
            self.is_urged = False
        self.own.waiting = WAIT_KERNEL if may_block else WAIT_NONE
        return self.longest_wait()

    cdef int64_t longest_wait(self) noexcept:
        """Return how long the loop may wait, in ns; -1 for ever."""
        cdef int64_t longest_ns = self.wait_ns
        cdef int64_t until_ns
        if self.heartbeat_ns >= 0 and (longest_ns < 0 or longest_ns > self.heartbeat_ns):
            longest_ns = self.heartbeat_ns
        if self.retry_ns == INT64_MAX:
            return longest_ns
        until_ns = max(self.retry_ns - self.now_ns, <int64_t>0)
        return until_ns if longest_ns < 0 else min(until_ns, longest_ns)

    cdef int accepted(self, Connection* listener) except -1:
        """Count it."""
        self.own.waiting = WAIT_NONE  # what serves the connection may block right away
        self.own.accepted += 1
        self.active += 1
        self.own.active = self.active
        self.unsettled = True
        return 0

    cdef int after_accepts(self) except -1:
        self.own.waiting = WAIT_NONE
        return 0

    cdef bint wants_room(self) noexcept:
        return self.worker_connections - self.active <= self.worker_connections // ROOM_DIVISOR

    cdef bint is_full(self) noexcept:
        return self.active >= self.worker_connections

    cdef void accept_missed(self) noexcept:
        self.own.missed += 1

    cdef void connection_closed(self) noexcept:
        self.active -= 1
        self.own.active = self.active
        if self.own.gate != GATE_IN:
            self.unsettled = True

    cdef void turns_ended(self) noexcept:
        self.own.waiting = WAIT_NONE
        self.tell_bytes()

    cdef void loop_closed(self) noexcept:
        self.tell_bytes()
        self.loop_bytes[0] = self.loop_bytes[1] = NULL
        self.active = self.own.active = 0
        self.own.gate = GATE_OUT
        if self.board.own_state >= STATE_DRAINING:
            self.own.beat_ns = 0  # it has ended as told to: no next turn is expected
        self.board.use(self.slot, None)
        AcceptGate.loop_closed(self)

    cdef void forked(self) noexcept:
        self.pid = getpid()
        self.apart = self.own[0]
        self.own = &self.apart

    # ---- listeners

    cdef bint starts_watching(self) noexcept:
        return False

    cdef int listener_add(self, Connection* listener) except -1:
        AcceptGate.listener_add(self, listener)
        self.unsettled = True
        return 0

    cdef int listener_remove(self, Connection* listener) except -1:
        AcceptGate.listener_remove(self, listener)
        self.unsettled = True
        return 0

    cdef int pause(self) except -1:
        AcceptGate.pause(self)
        self.own.pauses += 1
        self.unsettled = True
        return 0

    cdef int resume(self) except -1:
        self.paused = False
        self.unsettled = True
        return 0

    cdef int enter(self, Connection* listener) except -1:
        """Put one listener into epoll; later if the kernel is short of memory or watches.

        It is forgotten if its socket was closed by others.
        """
        try:
            AcceptGate.enter(self, listener)
        except OSError as error:
            if error.errno == EINVAL and self.mask & EPOLLEXCLUSIVE:  # a kernel before 4.5
                self.mask &= ~EPOLLEXCLUSIVE
                return self.enter(listener)
            if error.errno == ENOMEM or error.errno == ENOSPC:
                self.retry_ns = clock_coarse_ns() + <int64_t>ACCEPT_RETRY_MS * NS_PER_MS
                logger.error("%s; tried again in %d ms", error, ACCEPT_RETRY_MS)
                return 0
            AcceptGate.listener_remove(self, listener)
            logger.error("%s; nothing is accepted from this socket any more", error)
        return 0

    # ---- the decision

    cdef int settle(self) except -1:
        """Decide whether the listeners are watched, and for how long at most."""
        if self.must_stay_out():
            self.own.gate = GATE_OUT
            return self.unwatch()
        self.own.gate = GATE_IN
        return self.watch()

    cdef int woken_by_other(self) except -1:
        """Another process reports that the decision may be wrong."""
        self.unsettled = True
        return 0

    cdef bint must_stay_out(self) noexcept:
        """True if this worker cannot or may not accept, whatever the others do."""
        return (
            self.paused
            or self.listener_count == 0
            or self.active >= self.worker_connections
            or self.board.own_state >= STATE_DRAINING
        )

    cdef bint takes_part(self, Slot* other) noexcept:
        """True if a worker accepts, or would if it had not left because of its share."""
        if other == self.own:
            return True
        if other.state != STATE_READY or other.gate == GATE_OUT:
            return False
        if other.waiting != WAIT_NONE:
            return True
        return self.now_ns - other.beat_ns < BLOCKED_MS * NS_PER_MS

    cdef bint is_nearly_full(self) noexcept:
        """True if less than an eighth is free. nginx: ngx_accept_disabled > 0."""
        return self.worker_connections // 8 > self.worker_connections - self.active

    cdef void beat(self) noexcept:
        """Record that the loop turns."""
        self.own.turns += 1
        self.own.beat_ns = self.now_ns = clock_coarse_ns()
        self.tell_bytes()

    cdef void tell_bytes(self) noexcept:
        """Record what the loop has received and sent since the last time."""
        cdef uint64_t received
        cdef uint64_t sent
        if self.loop_bytes[0] == NULL:
            return
        received = self.loop_bytes[0][0]
        sent = self.loop_bytes[1][0]
        self.own.received_bytes += received - self.told_bytes[0]
        self.own.sent_bytes += sent - self.told_bytes[1]
        self.told_bytes[0] = received
        self.told_bytes[1] = sent

    cdef int64_t quiet_delay(self, int64_t since_ns, int64_t least_ms) noexcept:
        """Return how long to wait before the next check, in ns, after since_ns without any change.

        As long again, so that each wait is twice the one before; at last the longest.
        """
        if since_ns >= <int64_t>QUIET_DELAY_MS * NS_PER_MS:
            return self.quiet_ns
        return min(max(since_ns, least_ms * NS_PER_MS), self.quiet_ns)


cdef int64_t heartbeat_delay(heartbeat) except? -2:
    """Return the longest wait, in ns; -1 sets no bound."""
    cdef double seconds
    if heartbeat is None:
        return -1
    seconds = heartbeat
    if not seconds > 0:
        raise ValueError(f"heartbeat must be positive, not {heartbeat}")
    return min(ns_from_seconds(seconds), <int64_t>WAIT_SECONDS_MAX * NS_PER_SECOND)


cdef int64_t connection_limit(worker_connections) except -1:
    """Return how many accepted connections there may be."""
    cdef Py_ssize_t count
    if worker_connections is None:
        soft_limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if soft_limit == resource.RLIM_INFINITY:
            return INT32_MAX
        return max(soft_limit - SPARE_FD_COUNT, soft_limit // 2, 1)
    count = PyNumber_AsSsize_t(worker_connections, ValueError)
    if count <= 0:
        raise ValueError(f"worker_connections must be positive, not {count}")
    return count


cdef int accept_count(accept_limit) except -1:
    """Return how many connections one event may take."""
    cdef Py_ssize_t count
    if accept_limit is None:
        return SHARED_ACCEPT_COUNT
    count = PyNumber_AsSsize_t(accept_limit, ValueError)
    if not 0 < count <= INT32_MAX:
        raise ValueError(f"accept_limit must be positive, not {count}")
    return <int>count
