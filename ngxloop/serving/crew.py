"""The worker processes of a master: fork, command and reap them.

The Owner, which is called when one is ready, drains or ends, decides what follows.
"""

import functools
import os
import signal
import time
from collections.abc import Callable
from typing import Protocol

from ngxloop.core.gates import RINGING_MODES
from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.assignment import Assignment, draw_request_limit
from ngxloop.serving.channel import Channel, Kind, channel_pair
from ngxloop.serving.config import STACK_SECONDS, STOP_SECONDS, Config
from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.handlernames import HandlerName
from ngxloop.serving.keepers import Children, Keepers
from ngxloop.serving.logs import log
from ngxloop.serving.messages import Listener, Messages
from ngxloop.serving.places import Place
from ngxloop.serving.poller import Handler, Poller
from ngxloop.serving.process import exit_code, exit_reason, fork_worker, has_ended, reap_orphans
from ngxloop.serving.program import INTERRUPTED
from ngxloop.serving.stackpipe import StackPipe, find_condition
from ngxloop.serving.states import Event, State
from ngxloop.serving.worker import run_worker
from ngxloop.serving.zygotes import Done, LostError, Zygotes


class Owner(Listener, Protocol):
    """Receives what happens in the crew."""

    def worker_gone(self, place: Place, reason: str, code: int | None) -> None:
        """The process has ended; the place is empty and place.failure says more, if it is set.

        Args:
            place: Where it was.
            reason: How it ended, in words.
            code: Its exit code, below 0 for a signal, None if it is not known.
        """

    def forget_in_worker(self, place: Place) -> None:
        """Close, in a fresh worker, descriptors that only the master and others need."""

    def forget_in_child(self) -> None:
        """Close, in another fork, all descriptors of the master's and of its workers."""


class Crew:
    """All live worker processes, of every generation."""

    def __init__(self, owner: Owner, poller: Poller, slot_count: int) -> None:
        self._owner = owner
        self._poller = poller
        self._board = Scoreboard(slot_count)
        self._free_slots = set(range(slot_count))
        self._places: dict[int, Place] = {}  # by process id
        self.zygotes: Zygotes = Zygotes(poller)
        self._others: dict[int, Callable[[int], None]] = {}  # children that are not workers
        self.slots_of_disowned: set[int] = set()  # of processes that got no place, and end
        children = Children(self.adopt, self._forget_in_child)
        self.keepers: Keepers = Keepers(poller, children, self.urge_all)
        self.messages: Messages = Messages(owner, poller, self.expel, self.keepers.close_line)

    def adopt(self, pid: int, ended: Callable[[int], None]) -> None:
        """Watch a child of ours that is no worker; ended() is called with its exit code."""
        self._others[pid] = ended

    @property
    def board(self) -> Scoreboard:
        """What the workers tell of themselves."""
        return self._board

    @property
    def places(self) -> list[Place]:
        """Every place with a process."""
        return list(self._places.values())

    @property
    def pids(self) -> set[int]:
        """The process ids of all live workers."""
        return set(self._places)

    @property
    def free_slot_count(self) -> int:
        """How many more processes there can be."""
        return len(self._free_slots)

    def count_free_slots(self) -> None:
        """Take back the slots that belong to no process of ours."""
        taken = {place.slot for place in self._places.values()} | self.slots_of_disowned
        self._free_slots = set(range(self._board.slot_count)) - taken

    def open_bells(self, config: Config, count: int) -> None:
        """Have the bells that a number of workers needs, and those that replace them at a reload.

        For processes that are forked from now on; those that have none look by themselves.
        """
        if count > 1 and config.accept in RINGING_MODES:
            try:
                self._board.open_bells(2 * count)
            except OSError as error:
                log.warning("%s: workers look at each other from time to time instead", error)

    def spawn(self, place: Place) -> None:
        """Fork a process for an empty place.

        Raises:
            OSError: There can be no more processes; says the kernel, or the scoreboard is full.
        """
        if not self._free_slots:
            raise BlockingIOError("too many workers are still draining")
        slot = min(self._free_slots)
        place.generation.config.hook_functions.call("pre_fork", place.number)
        try:
            self._spawn(place, slot)
        except LostError:  # from now on it is forked here
            self._spawn(place, slot)

    def _spawn(self, place: Place, slot: int) -> None:
        number, line = self._open_line(place)  # which may fork: a channel would be open there, too
        try:
            self._spawn_with(place, slot, line, number)
        except BaseException:
            self.keepers.close_line(number)
            raise
        finally:
            if line is not None:
                line.close()

    def _spawn_with(self, place: Place, slot: int, line: Channel | None, number: int) -> None:
        ours, theirs = channel_pair()
        stacks: StackPipe | None = None
        try:
            stacks = StackPipe()
            assignment = self._assign(place, slot, theirs, line, stacks.write_fd)
            # before the fork: what fails until then leaves no process behind
            self.messages.watch(place, ours)
            pid = self._fork(place, assignment, ours)
        except BaseException:
            self.messages.end(ours)
            if stacks is not None:
                stacks.close()
            raise
        finally:
            theirs.close()
        stacks.close_write()
        try:
            self._settle(place, pid, slot, ours)
            place.line = number
        except BaseException:
            self._disown(pid, slot)
            self.messages.end(ours)
            stacks.close()
            raise
        place.stacks = stacks
        log.debug("%s started, process %d", place, pid)

    def _open_line(self, place: Place) -> tuple[int, Channel | None]:
        """Return the number of the new worker's line to the keeper, and its end."""
        generation = place.generation
        return self.keepers.open_line(
            str(place),
            generation.number,
            generation.config,
            place.interface or generation.interface,
            give=functools.partial(self._give_line, place),
            accuse=functools.partial(self._accuse, place),
        )

    def _give_line(self, place: Place, number: int, fd: int) -> None:
        """Send a worker its end of another line: it has a new keeper."""
        if place.line == number and place.channel is not None:
            place.channel.send(Kind.LINE, b"null", [fd])

    def _accuse(self, place: Place, number: int, reason: str) -> None:
        """The keeper has got an invalid message from a worker."""
        if place.line == number and place.is_live:
            self.messages.malformed_count += 1
            self.expel(place, reason)

    def _fork(self, place: Place, assignment: Assignment, ours: Channel) -> int:
        pid = self.zygotes.spawn(assignment, self.pids | self._others.keys())
        if pid is not None:
            ours.send(Kind.BEGIN)
            return pid
        return fork_worker(
            lambda: self._forget_in_worker(place, ours),
            lambda: run_worker(assignment),
            stacks_fd=assignment.stacks_fd,
        )

    def _settle(self, place: Place, pid: int, slot: int, ours: Channel) -> None:
        self._free_slots.remove(slot)
        self._places[pid] = place
        place.settle(pid, slot, ours, time.monotonic() + place.generation.config.start_timeout)

    def _disown(self, pid: int, slot: int) -> None:
        """End a process that could not be given its place; its slot is free when it has ended."""
        self._places.pop(pid, None)
        self._free_slots.discard(slot)
        self.slots_of_disowned.add(slot)

        def ended(code: int) -> None:
            self.slots_of_disowned.discard(slot)
            self._free_slots.add(slot)
            self._board.release(slot, pid, is_ringing=False)
            self.nudge_all()

        self._others[pid] = ended
        os.kill(pid, signal.SIGKILL)

    def preload(self, place: Place, done: Done) -> None:
        """Load the application of a place's generation once, for all its workers.

        Args:
            place: One of the generation.
            done: Called with what went wrong, None if the workers can be spawned.

        Raises:
            OSError: There can be no more processes.
        """
        self.zygotes.start(
            lambda channel: self._assign(place, 0, channel),
            lambda: self._forget_in_worker(place),
            done,
        )

    def retire(self, place: Place, seconds: float | None = None, *, is_last: bool = False) -> None:
        """Let a worker finish what it does; one that does not serve yet ends.

        Args:
            place: Whose worker.
            seconds: How long it may take; without, as long as its configuration says.
            is_last: Nobody accepts from its sockets after it, so it takes what waits there.
        """
        is_starting = place.state is State.STARTING
        if not place.advance(Event.DRAIN):
            return
        place.deadline = None
        place.begin_drain(seconds)
        if not place.is_live:
            return
        if is_last:
            place.order(Kind.ACCEPT)
        is_told = place.order(Kind.DRAIN, b"" if seconds is None else f"{seconds:g}".encode())
        if not is_starting:
            place.limit_drain()
            return
        # It may have accepted connections already, and its READY be on its way to us: that is why
        # it gets the order to drain, and the time for it once the READY is here. A worker that
        # still imports its application reads no orders.
        if is_told:
            place.send_signal(signal.SIGTERM)
        place.limit_start()

    def stop(self, place: Place) -> None:
        """Let a worker end now: an order for its loop, a signal if it has none yet, then KILL."""
        if not place.advance(Event.STOP):
            return
        place.deadline = None
        if place.is_live:
            self._board.set_state(place.slot, place.state.value, is_ringing=False)
            self.nudge_all()
            place.order(Kind.STOP)
            place.send_signal(signal.SIGTERM)
            place.deadline = time.monotonic() + STOP_SECONDS

    def expel(self, place: Place, reason: str) -> None:
        """End a worker that has sent an invalid message.

        Its messages are ignored from now on; it still gets its orders.
        """
        if place.channel is not None:
            self.messages.ignore(place.channel)
        self.keepers.close_line(place.line)
        if place.state is State.STARTING:  # the owner logs it
            place.failure = StartError(ExitCode.START_FAILED, f"{place} was ended: {reason}")
        elif place.is_live and place.state is not State.STOPPING:
            log.error("%s (process %d) is ended: %s", place, place.pid, reason)
        place.verdict = place.verdict or reason
        self.stop(place)

    def give_up(self, place: Place) -> None:
        """Empty a place after its process was reaped elsewhere."""
        self._close_channel(place)
        self.keepers.close_line(place.line)
        place.vacate("its end could not be handled")

    def kill(self, place: Place) -> None:
        """End a process that did not end when it was told to; first it writes what it waits for."""
        if not place.is_asked_for_stacks:
            place.is_asked_for_stacks = True
            place.ask_for_stacks()
            place.put_off(STACK_SECONDS)
            return
        stacks = place.read_stacks()
        waits = "its threads are shown" if stacks else f"it {find_condition(place.pid)}"
        log.warning(
            "%s (process %d) did not end in time: killed; %s",
            place,
            place.pid,
            waits,
            extra={"user_traceback": stacks},
        )
        place.verdict = place.verdict or "did not end in time"
        place.send_signal(signal.SIGKILL)

    def reap(self) -> None:
        """Take note of every process that has ended."""
        for pid, place in list(self._places.items()):
            if has_ended(pid):
                bury = functools.partial(self._bury, place)
                self._guard(HandlerName.REAPING, bury, place)
        for pid, action in list(self._others.items()):
            if has_ended(pid):
                del self._others[pid]
                code = exit_code(pid)
                tell = functools.partial(action, 0 if code is None else code)
                self._guard(HandlerName.REAPING, tell, f"process {pid}")
        # The first process of a container inherits every orphan in it; who preloads, asks for them.
        if os.getpid() == 1 or self.zygotes.have_been:
            reap_orphans(self._places.keys() | self._others.keys())

    def close(self, leave_files: bool = False) -> None:
        """Give the shared memory back. Workers that are left, after a defect, drain and end."""
        for place in self._places.values():
            if place.channel is not None:
                place.channel.end()
        self.keepers.close(leave_files)
        self.zygotes.close_all()
        del self._board

    # Private -----------------------------------------------------------------------------------

    def _assign(
        self,
        place: Place,
        slot: int,
        channel: Channel,
        line: Channel | None = None,
        stacks_fd: int = -1,
    ) -> Assignment:
        return Assignment(
            config=place.generation.config,
            name=str(place),
            number=place.number,
            generation=place.generation.number,
            request_limit=draw_request_limit(place.generation.config),
            slot=slot,
            board=self._board,
            channel=channel,
            line=line,
            sockets=place.generation.listeners.sockets_for(place.number),
            master_pid=os.getpid(),
            stacks_fd=stacks_fd,
        )

    def _forget_in_worker(self, mine: Place, ours: Channel | None = None) -> None:
        """Close the master's ends: a channel that is also open here has no end of file there."""
        if ours is not None:
            ours.close()
        self._close_lines()
        self._owner.forget_in_worker(mine)

    def _forget_in_child(self) -> None:
        self._close_lines()
        self._owner.forget_in_child()

    def _close_lines(self) -> None:
        self.zygotes.forget_in_child()
        for place in self._places.values():
            if place.channel is not None:
                place.channel.close()
        self.keepers.forget_in_child()

    def _guard(self, name: HandlerName, action: Callable[[], object], subject: object) -> bool:
        return self._poller.call(Handler(name, action, subject=subject))

    def _close_channel(self, place: Place) -> None:
        if place.channel is not None:
            self.messages.end(place.channel)

    def nudge_all(self) -> None:
        """Let every worker look for connections: one that was woken for them accepts no more.

        With a message, not with the bells, at which a hostile worker could make us wait.
        """
        for place in self._places.values():
            place.nudge()

    def urge_all(self) -> None:
        """Let every worker take connections that no worker takes, see sentry.py."""
        for place in self._places.values():
            place.urge()

    def _drop_unused_sockets(self) -> None:
        """Close what the programs of older generations wanted, once those are gone."""
        states = {place.state for place in self._places.values()}
        if states and State.STARTING not in states:  # which have not asked for all of theirs yet
            oldest = min(place.generation.number for place in self._places.values())
            self.keepers.drop_older(oldest)

    def _bury(self, place: Place) -> None:
        """Take back what a dead process held, and tell the master."""
        self.messages.receive_last(place)  # not reaped yet: it may lead to a signal to its id
        pid, slot, state, code = place.pid, place.slot, place.state, exit_code(place.pid)
        del self._places[pid]
        self._free_slots.add(slot)
        self._close_channel(place)
        self.keepers.close_line(place.line)
        reason = exit_reason(code)
        is_news = place.failure is None and not _is_wanted(state, code)
        (log.warning if is_news else log.debug)("%s (process %d) %s", place, pid, reason)
        place.vacate(reason)
        was_held = self._board.release(slot, pid, is_ringing=False)
        self.nudge_all()
        if was_held:
            log.warning("%s held the accept mutex when it died: unlocked", place)
        self._guard(HandlerName.WORKER_STEP, self._drop_unused_sockets, place)
        place.generation.config.hook_functions.call("child_exit", place.number, code)
        self._owner.worker_gone(place, reason, code)


def _is_wanted(state: State, code: int | None) -> bool:
    """Say whether a worker ended because, and as, it was told to; by the same Ctrl-C, perhaps."""
    if state is State.DRAINING:  # TERM kills one that has not begun to serve
        return code in (0, INTERRUPTED, -signal.SIGINT, -signal.SIGTERM)
    return state is State.STOPPING
