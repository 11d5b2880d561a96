"""The processes of the workers: what the machine wants of each.

A process is known from before its fork until the machine releases its slot, by its WorkerId.
"""

import signal
from collections.abc import Callable, Sequence

from ngxloop import leader
from ngxloop.core.scoreboard import Scoreboard
from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.base.states import State
from ngxloop.serving.config.config import Config
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.board import open_wakeup_fds
from ngxloop.serving.fleet.messages import Messages
from ngxloop.serving.fleet.names import WorkerId
from ngxloop.serving.fleet.reaper import Reaper
from ngxloop.serving.fleet.service import GenerationService, GenerationServices
from ngxloop.serving.fleet.wakeups import Wakeups
from ngxloop.serving.fleet.workerforker import WorkerForker
from ngxloop.serving.fleet.workerprocess import WorkerProcess
from ngxloop.serving.fleet.zygotes import Zygotes
from ngxloop.serving.fleet.zygotestarter import ZygoteStarter
from ngxloop.serving.logs.logs import log
from ngxloop.serving.process.message import MessageKind
from ngxloop.serving.process.poller import Poller
from ngxloop.serving.process.stackpipe import find_condition
from ngxloop.serving.sockets.keeperprocesses import Children
from ngxloop.serving.sockets.keepers import Keepers

Tell = Callable[[events.Event], None]
# What a SIGTERM means to a worker, too.
_BY_TERM = (actions.WorkerOrder.DRAIN, actions.WorkerOrder.STOP)
_KINDS = {
    actions.WorkerOrder.ACCEPT: MessageKind.ACCEPT,
    actions.WorkerOrder.DRAIN: MessageKind.DRAIN,
    actions.WorkerOrder.STOP: MessageKind.STOP,
    actions.WorkerOrder.REOPEN: MessageKind.REOPEN,
}


class Processes:
    """All worker processes, of every generation.

    Args:
        tell: Takes events.
        poller: Watches the channels.
        board: The scoreboard; its slots are given out by the machine.
        services: What the generations serve.
        forget: Closes, in a fresh child, what belongs to the master alone.
    """

    def __init__(
        self,
        tell: Tell,
        poller: Poller,
        board: Scoreboard,
        services: GenerationServices,
        forget: Callable[[], None],
    ) -> None:
        self._tell = tell
        self._poller = poller
        self._forget = forget
        self._services = services
        self.board = board
        self._processes: dict[WorkerId, WorkerProcess] = {}
        self.wakeups: Wakeups = Wakeups(poller, lambda: self.all)
        self.zygotes: Zygotes = Zygotes(poller)
        self.reaper: Reaper = Reaper(
            tell,
            poller,
            lambda: self.all,
            lambda: self.messages,
            lambda: self.zygotes.ever_started,
        )
        self.keepers: Keepers = Keepers(
            poller, Children(self.reaper.adopt, self.forget_in_child), self.wakeups.urge_all
        )
        self.messages: Messages = Messages(
            tell, poller, self.keepers.close_line, self.keepers.begin_line
        )
        self._forker = WorkerForker(
            lambda: self.board,
            self.zygotes,
            self.keepers,
            self.messages,
            self.reaper.pids,
            self._forget_in_worker,
        )
        self.zygote_starter: ZygoteStarter = ZygoteStarter(
            tell,
            self.zygotes,
            services,
            self._forker.assign,
            self._forget_in_child,
        )

    @property
    def all(self) -> list[WorkerProcess]:
        """Every process that has not been released."""
        return list(self._processes.values())

    def find(self, name: WorkerId) -> WorkerProcess | None:
        """Return a process, None if it was released."""
        return self._processes.get(name)

    def close(self, leave_files: bool = False) -> None:
        """Give the shared memory back. Workers that are left, after a defect, drain and end."""
        for process in self._processes.values():
            if process.channel is not None:
                process.channel.end()
        self.keepers.close(leave_files)
        self.zygotes.close_all()
        del self.board

    # What the machine wants --------------------------------------------------------------------

    def prepare(self, config: Config, count: int) -> None:
        """Have what workers need, before they are forked.

        Raises:
            OSError: There can be no more processes, or descriptors.
        """
        self.keepers.begin(config)
        open_wakeup_fds(self.board, config, count)

    def prepare_worker(self, action: actions.Spawn) -> None:
        """Make ready what a worker gets; fork() forks it."""
        process = WorkerProcess(action.worker, self._services[action.generation], action.number)
        self._processes[action.worker] = process
        try:
            self._forker.prepare(process)
        except Exception as error:
            self._give_up(process, error)

    def fork(self, spawns: Sequence[actions.Spawn]) -> None:
        """Fork workers that are prepared, and tell whether there are processes."""
        names = [one.worker for one in spawns if self._forker.is_prepared(one.worker)]
        processes = [self._processes[name] for name in names]
        for process, error in zip(processes, self._forker.fork(processes), strict=True):
            if error is None:
                self._tell(events.Spawned(process.id))
            else:
                self._give_up(process, error)

    def send(self, action: actions.Send) -> None:
        """Give a worker an order."""
        process = self._processes[action.worker]
        kind, payload = _KINDS[action.order], b""
        if action.seconds is not None:
            payload = f"{action.seconds:g}".encode()
        if kind is MessageKind.STOP:
            self.board.set_state(process.id.slot, State.STOPPING.value, wakes_workers=False)
            self.wakeups.nudge_all()
        process.is_told = process.is_told or action.order in _BY_TERM
        is_sent = process.order(kind, payload)
        if action.is_signalled or (not is_sent and action.order in _BY_TERM):
            process.send_signal(signal.SIGTERM)
        elif not is_sent:
            self._tell(events.OrderLost(action.worker, action.order))

    def kill(self, action: actions.Kill) -> None:
        """End a process now."""
        self._processes[action.worker].send_signal(signal.SIGKILL)

    def dump_stacks(self, action: actions.DumpStacks) -> None:
        """Have a process write its stacks."""
        self._processes[action.worker].ask_for_stacks()

    def read_stacks(self, name: WorkerId) -> str:
        """Return the stacks that a process has written since it was asked, once."""
        process = self._processes.get(name)
        return process.take_stacks() if process is not None else ""

    def describe_stacks(self, name: WorkerId) -> str:
        """Say whether a process has written its stacks, and what may be the reason if not."""
        process = self._processes.get(name)
        if process is None:
            return "it is gone"
        return "its stacks follow" if process.shown else f"it {find_condition(process.pid)}"

    def release(self, action: actions.Release) -> None:
        """Take back what a dead process held; if that fails, the audit tries again."""
        process = self._processes[action.worker]
        self._close_channel(process)
        self.keepers.close_line(process.line)
        process.close_stacks()
        was_held = self.board.release(process.id.slot, process.pid, wakes_workers=False)
        del self._processes[action.worker]
        self.wakeups.nudge_later()
        if was_held:
            log.warning("%s held the accept mutex when it died: unlocked", process)

    def drop_shared(self, action: actions.DropShared) -> None:
        """Close sockets of programs that are gone."""
        self.keepers.drop_older(action.generation)

    def _give_up(self, process: WorkerProcess, error: Exception) -> None:
        """Tell that there is no process; if there is one all the same, its end is awaited."""
        is_explained = isinstance(error, OSError)
        if not is_explained:
            self._poller.failures.note(HandlerName.SPAWNING, error, process)
        if process.pid:
            process.send_signal(signal.SIGKILL)
            self._tell(events.Spawned(process.id))
        else:
            del self._processes[process.id]
            self._tell(events.SpawnFailed(process.id, str(error), is_explained))

    def forget_in_child(self) -> None:
        """Close, in a fork that is no worker, all that the master and its workers have."""
        self._forker.forget_in_child()
        self._forget_in_child(None)
        leader.close_lock()

    def _forget_in_worker(self, process: WorkerProcess) -> None:
        self._forker.forget_in_child(process.id)
        self._forget_in_child(process.service, process.number)

    def _forget_in_child(self, mine: GenerationService | None, number: int = 0) -> None:
        """Close the master's ends: a channel that is also open here has no end of file there."""
        self.zygotes.forget_in_child()
        for process in self._processes.values():
            if process.channel is not None:
                process.channel.close()
        self.keepers.forget_in_child()
        self._services.close_in_worker(mine, number)
        self._forget()

    def _close_channel(self, process: WorkerProcess) -> None:
        if process.channel is not None:
            self.messages.end(process.channel)
            process.channel = None
