"""What every worker does, whatever it serves: orders, states, and the end of an orphan.

Orders come over the channel. Its end of file means that the master is gone; the worker then drains
and exits, as it does on a SIGTERM of its own. Nobody is left to kill such an orphan if it hangs, so
it sets itself an alarm, whose default action ends it: when the end of file is read, and at the
SIGTERM that the kernel sends then (parent.py), which also arrives when the application blocks the
loop.

How an order gets its action is written once, here. The two front ends, an application in a loop of
ours (worker.py) and a script (program.py), carry it out.
"""

import math
import os
import signal
from typing import Protocol, assert_never

from ngxloop.serving.base.states import State
from ngxloop.serving.base.timing import KILL_SECONDS
from ngxloop.serving.logs.logs import log, reopen
from ngxloop.serving.process.channel import Channel
from ngxloop.serving.process.message import Message, MessageKind
from ngxloop.serving.process.titles import set_title
from ngxloop.serving.worker.assignment import Assignment
from ngxloop.serving.worker.sharedbind import SharedBindClient
from ngxloop.serving.worker.workergate import make_worker_gate
from ngxloop.serving.worker.workerloop import LoopContext


class FrontEnd(Protocol):
    """Carries out what the core has understood; each method may be called more than once."""

    def accept_waiting(self) -> None:
        """Take every connection that waits: nobody accepts after this worker."""

    def drain(self) -> None:
        """Finish what is in progress within core.graceful_timeout, then exit."""

    def stop(self) -> None:
        """Exit now."""


class WorkerCore:
    """The worker's side of its relation to the master."""

    def __init__(
        self, assignment: Assignment, client: SharedBindClient, front_end: FrontEnd
    ) -> None:
        self.channel: Channel = assignment.channel
        self.state: State = State.STARTING
        self.graceful_timeout: float = assignment.config.graceful_timeout
        self._assignment = assignment
        self._client = client
        self._front_end = front_end
        self._is_drain_asked = False
        self._was_term_received = False

    # Orders ------------------------------------------------------------------------------------

    def read_orders(self) -> None:
        """Carry out what has arrived; at the end of file, become an orphan."""
        if not self.channel.is_open:
            return
        for message in self.channel.receive():
            self._assignment.look(urge=message.kind is MessageKind.URGE)
            self._obey(message)
        if not self.channel.is_open:
            self._become_orphan()

    def handle_term(self) -> None:
        """Drain; at the second SIGTERM stop. The kernel sends one when the master dies."""
        if self.is_orphan():
            self._become_orphan()
        elif self._was_term_received:
            self._front_end.stop()
        else:  # the first one, though the master may have ordered the same: its group got it too
            self._was_term_received = True
            log.debug("received SIGTERM; draining")
            self._drain()

    def is_orphan(self) -> bool:
        """Say whether the master is gone."""
        return os.getppid() != self._assignment.master_pid

    def set_alarm_if_orphan(self, *_: object) -> None:
        """End this process by an alarm if it does not end in time, and its master is gone."""
        set_alarm_if_orphan(self._assignment, self.graceful_timeout)

    # States ------------------------------------------------------------------------------------

    def become_ready(self, interface: str) -> None:
        """Serve: tell the scoreboard, the hooks and the master."""
        self.enter(State.READY)
        self.channel.send(MessageKind.READY, interface.encode())
        log.debug("ready")

    def begin_drain(self) -> None:
        """Accept no more: tell the scoreboard, the hooks and the master."""
        self._client.drain()
        self.enter(State.DRAINING)
        self.channel.send(MessageKind.DRAINING)
        log.debug("draining")

    def enter(self, state: State) -> None:
        """Be in a state."""
        self.state = state
        show_state(self._assignment, state)
        self._assignment.enter(state)

    def connection_count(self) -> int:
        """Return how many accepted connections are open."""
        active: int = self._assignment.board.read(self._assignment.slot)["active"]
        return active

    # Private -----------------------------------------------------------------------------------

    def _obey(self, message: Message) -> None:
        match message.kind:
            case MessageKind.DRAIN:
                if message.payload:
                    self.graceful_timeout = float(message.payload)
                self._drain()
            case MessageKind.STOP:
                self._front_end.stop()
            case MessageKind.ACCEPT:
                self._front_end.accept_waiting()
            case MessageKind.REOPEN:
                reopen()
            case MessageKind.LINE:
                self._client.renew(message)
            case (
                MessageKind.LOOK | MessageKind.URGE | MessageKind.BEGIN
            ):  # which mean no more than every order
                pass
            case (
                MessageKind.SPAWN  # for a zygote
                | MessageKind.HANG_UP
                | MessageKind.DROP_OLDER
                | MessageKind.REPORT
                | MessageKind.HAND_OVER
                | MessageKind.END
            ):  # for the keeper
                message.discard()
            case (
                MessageKind.READY
                | MessageKind.DRAINING
                | MessageKind.FAILED
                | MessageKind.SPAWNED
                | MessageKind.MAX_REQUESTS_REACHED
                | MessageKind.BIND
                | MessageKind.RELEASE
                | MessageKind.KEEP
                | MessageKind.KEPT
                | MessageKind.DROPPED
                | MessageKind.MALFORMED
                | MessageKind.REPORTED
                | MessageKind.UNACCEPTED
                | MessageKind.BOUND
                | MessageKind.ASK_LINE
            ):  # for the master or the keeper; the channel refuses them here
                message.discard()
            case _:
                assert_never(message.kind)

    def _drain(self) -> None:
        self._is_drain_asked = True
        self._front_end.drain()

    def _become_orphan(self) -> None:
        if not self._is_drain_asked:
            log.warning("the master is gone; draining")
        self.set_alarm_if_orphan()
        self._drain()


def set_alarm_if_orphan(assignment: Assignment, seconds: float) -> None:
    """Let the kernel end this process after a time if its master is gone."""
    if os.getppid() != assignment.master_pid:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(math.ceil(seconds + KILL_SECONDS))


def make_loop_context(assignment: Assignment) -> LoopContext:
    """Return what the event loops of a worker have in common."""
    config = assignment.config
    return LoopContext(
        SharedBindClient(assignment),
        lambda: make_worker_gate(assignment),
        busy_poll=config.busy_poll,
        coalesce_writes=config.coalesce_writes,
    )


def show_state(assignment: Assignment, state: State) -> None:
    """Set the title of this process."""
    condition = "" if state is State.READY else f" ({state.name.lower()})"
    set_title(f"{assignment.name}{condition} [{assignment.config.app}]")
