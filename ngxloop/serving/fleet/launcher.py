"""The fork of a worker: what it gets, and what of that the master keeps.

Rule. What can fail without a process is done before the fork; if it fails, nothing is left open.
"""

import functools
import os
from collections.abc import Callable
from collections.abc import Set as AbstractSet

from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.assignment import Assignment, draw_request_limit
from ngxloop.serving.channel import Channel, Kind, channel_pair
from ngxloop.serving.fleet.service import Service
from ngxloop.serving.fleet.workerprocess import WorkerProcess
from ngxloop.serving.keepers import Keepers
from ngxloop.serving.messages import Messages
from ngxloop.serving.process import fork_worker
from ngxloop.serving.stackpipe import StackPipe
from ngxloop.serving.worker import run_worker
from ngxloop.serving.zygotes import LostError, Zygotes


class Launcher:
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
        forget: Callable[[Service, int], None],
    ) -> None:
        self._find_board = find_board
        self._zygotes = zygotes
        self._keepers = keepers
        self._messages = messages
        self._find_children = find_children
        self._forget = forget

    def launch(self, process: WorkerProcess) -> None:
        """Fork a worker, and watch its channel.

        Raises:
            Exception: That failed; there is a process all the same if it has an id.
        """
        try:
            self._launch(process)
        except LostError:  # from now on it is forked here
            self._launch(process)

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
            master_pid=os.getpid(),
            stacks_fd=stacks_fd,
        )

    # Private -----------------------------------------------------------------------------------

    def _launch(self, process: WorkerProcess) -> None:
        line = self._open_line(process)  # which may fork: a channel would be open there, too
        try:
            self._launch_with(process, line)
        except BaseException:
            self._keepers.close_line(process.line)
            raise
        finally:
            if line is not None:
                line.close()

    def _launch_with(self, process: WorkerProcess, line: Channel | None) -> None:
        ours, theirs = channel_pair()
        try:
            process.channel = ours
            process.close_stacks()
            process.stacks = stacks = StackPipe()
            assignment = self.assign(process, theirs, line, stacks.write_fd)
            # before the fork: what fails until then leaves no process behind
            self._messages.watch(process, ours)
            process.pid = self._fork(process, assignment, ours)
        except BaseException:
            process.close_stacks()
            self._messages.end(ours)
            raise
        finally:
            theirs.close()
        stacks.close_write()

    def _open_line(self, process: WorkerProcess) -> Channel | None:
        """Return the new worker's end of its line to the keeper, if it may have one."""
        service = process.service
        process.line, theirs = self._keepers.open_line(
            str(process),
            service.number,
            service.config,
            process.interface or service.interface,
            give=functools.partial(self._give_line, process),
            accuse=functools.partial(self._accuse, process),
        )
        return theirs

    def _give_line(self, process: WorkerProcess, number: int, fd: int) -> None:
        """Send a worker its end of another line: it has a new keeper."""
        if process.line == number and process.channel is not None:
            process.channel.send(Kind.LINE, b"null", [fd])

    def _accuse(self, process: WorkerProcess, number: int, reason: str) -> None:
        """The keeper has got an invalid message from a worker."""
        if process.line == number and not process.has_ended:
            self._messages.malformed_count += 1
            self._messages.expel(process, reason)

    def _fork(self, process: WorkerProcess, assignment: Assignment, ours: Channel) -> int:
        pid = self._zygotes.spawn(assignment, self._find_children())
        if pid is not None:
            ours.send(Kind.BEGIN)
            return pid

        def forget() -> None:
            ours.close()
            self._forget(process.service, process.number)

        work = functools.partial(run_worker, assignment)
        return fork_worker(forget, work, stacks_fd=assignment.stacks_fd)
