"""Scoreboard: the state of the workers, in memory that master and workers share.

How it works. The master makes one anonymous shared mapping before its first fork; every worker has
it from then on at the same address. A slot belongs to one worker at a time. Its loop stores what it
does with plain stores: every field has a single writer at a time and is an aligned word of 64 bits,
so it is never seen half-written, and no process waits for another. Fields that different processes
write are on different pairs of cache lines (128 bytes, because CPUs fetch neighbours in pairs).
Counters belong to the slot and continue when a new worker has it; gauges begin at zero.

The wakeup_fds are eventfds, one for each slot, by which workers end each other's waits: the gate of
the worker that is woken decides again. They are written to when a decision may have become wrong;
they are never read, because they are watched edge-triggered. They exist only for the modes that
need them (open_wakeup_fds()), in the processes that are forked afterwards. A worker needs none to
make its own gate decide again, see wake().

A hostile worker can write anything into the memory. So what decides whether a worker accepts at all
is in its own memory: its state, which only its own set_state() changes there, and whether it was
told that a connection waits which no worker takes.

The trap: O_NONBLOCK belongs to the open file, not to the process. Any worker can clear it and fill
an eventfd, and the next process that writes to it blocks for ever. So a master with workers that
are not trusted writes to none (wakes_workers=False) and sends each worker a message, at which it
calls wake(). A worker that begins repairs all of them.
Models: the shared zone of ngx_event_module_init, ngx_unlock_mutexes (nginx).
"""

cimport cython
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.number cimport PyNumber_AsSsize_t
from libc.errno cimport errno
from libc.stdint cimport INT32_MAX, uint64_t
from posix.mman cimport (
    MAP_ANONYMOUS,
    MAP_FAILED,
    MAP_SHARED,
    PROT_READ,
    PROT_WRITE,
    mmap,
    mprotect,
    munmap,
)

from ngxloop.core.atomic cimport fence, word_read, word_swap
from ngxloop.core.limits cimport SLOT_COUNT_MAX
from ngxloop.core.linux cimport (
    EFD_CLOEXEC,
    EFD_NONBLOCK,
    F_SETFL,
    O_NONBLOCK,
    POLLOUT,
    close,
    eventfd,
    fcntl,
    poll,
    pollfd,
    read,
    write,
)
from ngxloop.core.oserr cimport raise_os_error
from ngxloop.core.waker cimport Waker

DEAD = STATE_DEAD
STARTING = STATE_STARTING
READY = STATE_READY
DRAINING = STATE_DRAINING
STOPPING = STATE_STOPPING

assert sizeof(Header) == 128 and sizeof(Slot) == 4 * 128, "the parts must fill their lines"


@cython.final
cdef class Scoreboard:
    """The shared memory of a master and its workers; see the file header."""

    def __cinit__(self, slot_count):
        """Make the memory; the processes forked from now on share it.

        Args:
            slot_count: how many workers there can be at a time, from 1 to 4096.

        Raises:
            ValueError: slot_count is out of range.
            OSError: there is no memory for that many slots.
        """
        cdef Py_ssize_t count = PyNumber_AsSsize_t(slot_count, ValueError)
        cdef int i
        if not 1 <= count <= SLOT_COUNT_MAX:
            raise ValueError(f"slot_count must be from 1 to {SLOT_COUNT_MAX}, not {count}")
        self.own_slot = -1
        self.mapping = MAP_FAILED
        self.wakeup_fds = <int*>PyMem_Malloc(count * sizeof(int))
        if self.wakeup_fds == NULL:
            raise MemoryError(f"no memory for {count} slots")
        self.slot_count = <int>count
        for i in range(self.slot_count):
            self.wakeup_fds[i] = -1
        self.mapping_bytes = sizeof(Header) + count * sizeof(Slot)
        self.mapping = mmap(
            NULL, self.mapping_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0
        )
        if self.mapping == MAP_FAILED:
            raise_os_error(errno, f"mmap({self.mapping_bytes} bytes, shared)")
        self.header = <Header*>self.mapping
        self.slots = <Slot*>(self.header + 1)

    def __dealloc__(self):
        cdef int i
        if self.mapping != MAP_FAILED and self.mapping != NULL:
            munmap(self.mapping, self.mapping_bytes)
        if self.wakeup_fds == NULL:
            return
        for i in range(self.slot_count):
            if self.wakeup_fds[i] >= 0:
                close(self.wakeup_fds[i])
        PyMem_Free(self.wakeup_fds)

    def open_wakeup_fds(self, count):
        """Open the wakeup_fds of the first slots, for this process and those forked from now on.

        Raises:
            OSError: there are not enough fds; those slots that have one keep it.
        """
        cdef Py_ssize_t number = PyNumber_AsSsize_t(count, ValueError)
        cdef int i
        for i in range(min(number, self.slot_count)):
            if self.wakeup_fds[i] < 0:
                self.wakeup_fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)
                if self.wakeup_fds[i] < 0:
                    raise_os_error(errno, "eventfd()")

    def claim(self, slot, pid):
        """Give a slot to a process, which is STARTING from now on.

        Call it before the process runs a loop with the slot's gate, for example in the fresh child.
        """
        cdef Slot* entry = self.slot_at(slot)
        cdef Py_ssize_t process = checked_pid(pid)
        entry.state = self.own_state = STATE_STARTING
        self.own_slot = <int>(entry - self.slots)
        clear_gauges(entry)
        entry.pid = process
        self.repair_wakeup_fds()

    def set_state(self, slot, state, *, wakes_workers=True):
        """Set the state of a worker: STARTING, READY, DRAINING, STOPPING or DEAD.

        Args:
            slot: The worker's.
            state: One of these.
            wakes_workers: Write to the wakeup_fds; without, all workers must be woken in another
            way.
        """
        cdef Slot* entry = self.slot_at(slot)
        cdef Py_ssize_t code = PyNumber_AsSsize_t(state, ValueError)
        if not 0 <= code < STATE_COUNT:
            raise ValueError(f"state must be from 0 to {STATE_COUNT - 1}, not {code}")
        entry.state = code
        if <int>(entry - self.slots) == self.own_slot:
            self.own_state = code
        fence()
        if wakes_workers:
            self.wake()  # our gate acts on it, even if the loop sleeps
            self.ring_left()

    def wake(self, *, urge=False):
        """Make the gate of this process decide again; from any thread.

        Args:
            urge: A connection waits that no worker takes: take it, whatever the scoreboard says.
        """
        self.is_woken = True
        self.is_urged = self.is_urged or urge
        if self.waker is not None:
            self.waker.wake()

    def add_request(self, slot):
        """Count a request that the slot's worker has answered, and return how many those are now.

        For the worker only: a field has one writer.
        """
        cdef Slot* entry = self.slot_at(slot)
        entry.requests += 1
        return entry.requests

    def release(self, slot, pid, *, wakes_workers=True):
        """Take a slot back from a process that has ended; call it when the process is reaped.

        Args:
            slot: The slot.
            pid: The process.
            wakes_workers: Write to the wakeup_fds: the kernel may have woken the dead process, and
                no other, for a connection. Without, all workers must be woken in another way.

        Returns:
            True if the process held the accept mutex, which is free now.
        """
        cdef Slot* entry = self.slot_at(slot)
        cdef Py_ssize_t process = checked_pid(pid)
        cdef bint held
        if entry.pid == process or entry.pid == 0:
            entry.state = STATE_DEAD
            entry.pid = 0
            clear_gauges(entry)
        held = word_swap(&self.header.mutex_pid, process, 0)
        if wakes_workers:
            self.ring_all()
        return held

    def repair(self, slot, pid, state):
        """Write what the master knows of a slot; gauges of it that cannot be right become 0.

        For a slot that was read and found wrong: a worker that is not trusted can write to all.

        Args:
            slot: The slot.
            pid: The process that has it, 0 if none has.
            state: Its state; DEAD if there is no process.
        """
        cdef Slot* entry = self.slot_at(slot)
        cdef Py_ssize_t code = PyNumber_AsSsize_t(state, ValueError)
        if not 0 <= code < STATE_COUNT:
            raise ValueError(f"state must be from 0 to {STATE_COUNT - 1}, not {code}")
        if not pid or not is_plausible(entry):
            clear_gauges(entry)
        entry.pid = PyNumber_AsSsize_t(pid, ValueError)
        entry.state = code

    def unlock(self, pid):
        """Free the accept mutex if the process, which need not be a worker, holds it."""
        word_swap(&self.header.mutex_pid, PyNumber_AsSsize_t(pid, ValueError), 0)

    def is_right(self, slot, pid, state):
        """Say whether a slot holds what the master knows, and gauges that can be right."""
        cdef Slot* entry = self.slot_at(slot)
        return entry.pid == pid and entry.state == state and is_plausible(entry)

    def read(self, slot):
        """Return what a slot holds now, as a dict of int and bool.

        Times are in ns on the clock of time.monotonic(). waiting says that the loop waits for the
        kernel: an old beat_ns then means that it is idle. gated says that it has more connections
        than its share and lets the others accept. counts_answers says that the worker keeps
        in_flight and answers_1xx to answers_5xx: not every server does.
        """
        cdef Slot* entry = self.slot_at(slot)
        return {
            "pid": entry.pid,
            "state": entry.state,
            "active": entry.active,
            "accepted": entry.accepted,
            "missed": entry.missed,
            "turns": entry.turns,
            "beat_ns": entry.beat_ns,
            "waiting": entry.waiting != 0,
            "listening": entry.gate == GATE_IN,
            "gated": entry.gate == GATE_LEFT or entry.gate == GATE_CALLED,
            "left": entry.left,
            "calls": entry.calls,
            "locks": entry.locks,
            "pauses": entry.pauses,
            "requests": entry.requests,
            "received_bytes": entry.received_bytes,
            "sent_bytes": entry.sent_bytes,
            "counts_answers": entry.http.is_counted != 0,
            "in_flight": entry.http.in_flight,
            "answers_1xx": entry.http.answers[1],
            "answers_2xx": entry.http.answers[2],
            "answers_3xx": entry.http.answers[3],
            "answers_4xx": entry.http.answers[4],
            "answers_5xx": entry.http.answers[5],
        }

    def protect(self):
        """Only read from now on, in this process: a store into the memory ends it.

        Raises:
            OSError: the kernel refuses.
        """
        if mprotect(self.mapping, self.mapping_bytes, PROT_READ) != 0:
            raise_os_error(errno, f"mprotect({self.mapping_bytes} bytes, PROT_READ)")

    @property
    def mutex_pid(self):
        """The process that holds the accept mutex, 0 if none does."""
        return word_read(&self.header.mutex_pid)

    def __repr__(self):
        return f"<ngxloop.Scoreboard slot_count={self.slot_count}>"

    # ---- for the gates

    cdef Slot* slot_at(self, index) except NULL:
        cdef Py_ssize_t number = PyNumber_AsSsize_t(index, ValueError)
        if not 0 <= number < self.slot_count:
            raise ValueError(f"slot must be from 0 to {self.slot_count - 1}, not {number}")
        return &self.slots[number]

    cdef int use(self, int slot, Waker waker) noexcept:
        """A gate of this process has the slot from now on; no loop runs it if waker is None."""
        if slot != self.own_slot:
            self.own_slot = slot
            self.own_state = self.slots[slot].state
        self.waker = waker
        return 0

    cdef int repair_wakeup_fds(self) noexcept:
        """Make all of them non-blocking, and empty those that are full, which wake no worker."""
        cdef pollfd query
        cdef uint64_t count
        cdef int i
        query.events = POLLOUT
        for i in range(self.slot_count):
            query.fd = self.wakeup_fds[i]
            if query.fd < 0:
                continue
            fcntl(query.fd, F_SETFL, O_NONBLOCK)
            if poll(&query, 1, 0) == 0 or not query.revents & POLLOUT:
                read(query.fd, &count, sizeof(count))
        return 0

    cdef int wake_worker(self, int index) noexcept:
        """End the wait of a slot's worker. A full eventfd (2**64 - 1) ends it as well."""
        cdef uint64_t one = 1
        if self.wakeup_fds[index] < 0:
            return 0
        return <int>write(self.wakeup_fds[index], &one, sizeof(one))

    cdef int ring_left(self) noexcept:
        """Ring for all workers that left because of their share: the mean has changed."""
        cdef int i
        for i in range(self.slot_count):
            if word_swap(&self.slots[i].gate, GATE_LEFT, GATE_CALLED):
                self.wake_worker(i)
        return 0

    cdef int ring_all(self) noexcept:
        """Ring for all workers, so that each checks whether a connection waits."""
        cdef int i
        for i in range(self.slot_count):
            if self.slots[i].pid != 0:
                self.wake_worker(i)
        return 0


cdef bint is_plausible(Slot* entry) noexcept:
    """False for gauges that no worker writes; those of a slot without a process are all 0."""
    if entry.pid == 0:
        return entry.active == entry.gate == 0
    return 0 <= entry.active <= INT32_MAX and GATE_OUT <= entry.gate <= GATE_CALLED


cdef void clear_gauges(Slot* entry) noexcept:
    entry.beat_ns = entry.waiting = entry.gate = entry.active = 0
    entry.http.is_counted = entry.http.in_flight = 0


cdef Py_ssize_t checked_pid(pid) except -1:
    cdef Py_ssize_t number = PyNumber_AsSsize_t(pid, ValueError)
    if number <= 0:
        raise ValueError(f"pid must be positive, not {number}")
    return number
