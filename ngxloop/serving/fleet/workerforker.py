"""The fork of a worker: what it gets, and what of that the master keeps.

Rules.
1. What can fail without a process is done before the fork; if it fails, nothing is left open.
2. The workers of one decision are all prepared, then all forked; see process.py, rule 4. With four
   workers that saves a reload half of its page faults.
"""

import dataclasses
import functools
import os
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet

from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.fleet.messages import Messages
from ngxloop.serving.fleet.names import WorkerId
from ngxloop.serving.fleet.workerprocess import WorkerProcess
from ngxloop.serving.fleet.zygotes import LostError, Zygotes
from ngxloop.serving.process.channel import Channel, channel_pair
from ngxloop.serving.process.message import MessageKind
from ngxloop.serving.process.process import Child, fork_all
from ngxloop.serving.process.stackpipe import StackPipe
from ngxloop.serving.sockets.keepers import Keepers
from ngxloop.serving.worker.assignment import Assignment, draw_request_limit
from ngxloop.serving.worker.worker import run_worker


@dataclasses.dataclass(frozen=True)
class _Prepared:
    """What a worker gets that has not been forked yet."""

    assignment: Assignment
    ours: Channel
    theirs: Channel
    line: Channel | None

    def close(self) -> None:
        """Close the ends of the worker, in the master or in another child of it."""
        self.theirs.close()
        if self.line is not None:
            self.line.close()


class WorkerForker:
    """Forks workers, from a process that has loaded their application or from the master.

    Args:
        find_board: Returns the scoreboard.
        zygotes: The processes that have loaded an application.
        keepers: The processes that bind for programs.
        messages: The channels of the workers.
        find_children: Returns the ids of all children of the master.
        forget: Closes, in a fresh worker, what belongs to the master and to other workers.
    """

    def __init__(
        self,
        find_board: Callable[[], Scoreboard],
        zygotes: Zygotes,
        keepers: Keepers,
        messages: Messages,
        find_children: Callable[[], AbstractSet[int]],
        forget: Callable[[WorkerProcess], None],
    ) -> None:
        self._find_board = find_board
        self._zygotes = zygotes
        self._keepers = keepers
        self._messages = messages
        self._find_children = find_children
        self._forget = forget
        self._prepared: dict[WorkerId, _Prepared] = {}

    def prepare(self, process: WorkerProcess) -> None:
        """Make ready what a worker gets, and watch its channel.

        Raises:
            OSError: There are too few descriptors, or no keeper could be forked.
        """
        line = self._open_line(process)
        try:
            self._prepared[process.id] = self._prepare_with(process, line)
        except BaseException:
            self._keepers.close_line(process.line)
            if line is not None:
                line.close()
            raise

    def is_prepared(self, name: WorkerId) -> bool:
        """Say whether a worker waits for its fork."""
        return name in self._prepared

    def fork(self, processes: Sequence[WorkerProcess]) -> list[Exception | None]:
        """Fork workers that are prepared; return for each what has failed.

        A process that has an id exists, even if something has failed.
        """
        errors: dict[WorkerId, Exception] = {}
        here: list[WorkerProcess] = []
        children: list[Child] = []
        for process in processes:
            try:
                has_zygote = self._zygotes.has(process.service.number)
                if has_zygote:
                    _call_pre_fork(process)
                if not self._ask_zygote(process):
                    children.append(self._make_child(process, calls_hook=not has_zygote))
                    here.append(process)
            except Exception as error:
                errors[process.id] = error
        for process, outcome in zip(here, fork_all(children), strict=True):
            if isinstance(outcome, OSError):
                errors[process.id] = outcome
            else:
                process.pid = outcome
        for process in processes:
            try:
                self._finish(process, has_failed=process.id in errors)
            except Exception as error:
                errors.setdefault(process.id, error)
                self._drop(process.id)
        return [errors.get(process.id) for process in processes]

    def forget_in_child(self, mine: WorkerId | None = None) -> None:
        """Close, in a fork, what other workers get, which are forked later."""
        for name, prepared in self._prepared.items():
            if name != mine:
                prepared.close()
                os.close(prepared.assignment.stacks_fd)

    def assign(
        self,
        process: WorkerProcess,
        channel: Channel,
        line: Channel | None = None,
        stacks_fd: int = -1,
    ) -> Assignment:
        """Return what a worker is to do, and with what."""
        service = process.service
        return Assignment(
            config=service.config,
            name=str(process),
            number=process.number,
            generation=service.number,
            request_limit=draw_request_limit(service.config),
            slot=process.id.slot,
            board=self._find_board(),
            channel=channel,
            line=line,
            sockets=service.listeners.sockets_for(process.number),
            plain=service.plain_numbers(process.number),
            master_pid=os.getpid(),
            stacks_fd=stacks_fd,
        )

    # Private -----------------------------------------------------------------------------------

    def _prepare_with(self, process: WorkerProcess, line: Channel | None) -> _Prepared:
        ours, theirs = channel_pair()
        try:
            process.channel = ours
            process.close_stacks()
            process.stacks = stacks = StackPipe()
            assignment = self.assign(process, theirs, line, stacks.write_fd)
            self._messages.watch(process, ours)
        except BaseException:
            process.close_stacks()
            self._messages.end(ours)
            theirs.close()
            raise
        return _Prepared(assignment, ours, theirs, line)

    def _ask_zygote(self, process: WorkerProcess) -> bool:
        """Let a zygote fork a worker; False if it is to be forked here."""
        prepared = self._prepared[process.id]
        try:
            pid = self._zygotes.spawn(prepared.assignment, self._find_children)
        except LostError:  # a worker that it has forked all the same has what was prepared
            self._finish(process, has_failed=True)
            self.prepare(process)
            return False
        if pid is None:
            return False
        process.pid = pid
        prepared.ours.send(MessageKind.BEGIN)
        return True

    def _make_child(self, process: WorkerProcess, calls_hook: bool) -> Child:
        prepared = self._prepared[process.id]

        def forget() -> None:
            prepared.ours.close()
            self._forget(process)

        return Child(
            forget,
            functools.partial(run_worker, prepared.assignment),
            stacks_fd=prepared.assignment.stacks_fd,
            prepare=functools.partial(_call_pre_fork, process) if calls_hook else None,
        )

    def _finish(self, process: WorkerProcess, has_failed: bool) -> None:
        """Close what belongs to a worker that was forked, or everything."""
        prepared = self._prepared.pop(process.id, None)
        if prepared is None:
            return
        try:
            if has_failed:
                process.close_stacks()
                self._messages.end(prepared.ours)
                self._keepers.close_line(process.line)
            elif process.stacks is not None:
                process.stacks.close_write()
        finally:
            prepared.close()

    def _drop(self, name: WorkerId) -> None:
        """Close what was prepared for a worker, if _finish() has not."""
        prepared = self._prepared.pop(name, None)
        if prepared is not None:
            prepared.close()

    def _open_line(self, process: WorkerProcess) -> Channel | None:
        """Return the new worker's end of its line to the keeper, if it may have one."""
        service = process.service
        process.line, theirs = self._keepers.open_line(
            str(process),
            service.number,
            service.config,
            process.interface or service.interface,
            give=functools.partial(self._give_line, process),
            on_malformed=functools.partial(self._on_malformed, process),
        )
        return theirs

    def _give_line(self, process: WorkerProcess, number: int, fd: int) -> None:
        """Send a worker its end of another line: it has a new keeper."""
        if process.line == number and process.channel is not None:
            process.channel.send(MessageKind.LINE, b"null", [fd])

    def _on_malformed(self, process: WorkerProcess, number: int, reason: str) -> None:
        """The keeper has got an invalid message from a worker."""
        if process.line == number and not process.has_ended:
            self._messages.malformed_count += 1
            self._messages.evict(process, reason)


def _call_pre_fork(process: WorkerProcess) -> None:
    process.service.config.hook_functions.call("pre_fork", process.number)
