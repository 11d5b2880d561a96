"""The executor: tells the machine what has happened, and does what it wants.

Rules.
1. Events are handled one after the other, each with all of its actions before the next one. An
   event that an action brings about waits until the others of its list are done.
2. Every action is behind a guard (poller.py). One that raises is told to the machine.
3. An event that the machine could not handle is kept, and told again after a pause that doubles:
   the machine is as it was before, so nothing is half done. What comes by itself again is dropped.
"""

import dataclasses
import functools
import itertools
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ngxloop.serving.base.handlernames import HandlerName
from ngxloop.serving.fleet import actions, events
from ngxloop.serving.fleet.machine import Machine
from ngxloop.serving.fleet.names import ProcessId, StacksOf, WorkerId, WorkerName
from ngxloop.serving.fleet.processes import Processes
from ngxloop.serving.logs.logs import log, report
from ngxloop.serving.process.poller import Handler, Poller, retry_delay

Do = Callable[[Any], object]
MOST_REQUESTS = 1000  # that wait; a client can give an order and be gone
SPAWNED_AT_ONCE = 16  # each needs three more descriptors until it is forked
MOST_KEPT = 1000  # events that could not be handled; the audit finds the ends of processes again
# They come again by themselves.
_REPEATED = (*(events.Tick, events.Beat, events.RssExceeded, events.ListenersClosed),)
_NAMES = {
    actions.Spawn: HandlerName.SPAWNING,
    actions.Send: HandlerName.WORKER_STEP,
    actions.Kill: HandlerName.WORKER_STEP,
    actions.DumpStacks: HandlerName.WORKER_STEP,
    actions.Release: HandlerName.WORKER_STEP,
    actions.PrepareConfig: HandlerName.RELOAD,
    actions.PrepareWorkers: HandlerName.RELOAD,
    actions.Log: HandlerName.LOGGING,
    actions.Report: HandlerName.LOGGING,
}


class Executor:
    """Stands between the machine and the rest of the master.

    Args:
        machine: Decides.
        poller: Guards.
    """

    def __init__(self, machine: Machine, poller: Poller) -> None:
        self.machine = machine
        self._poller = poller
        self._waiting: deque[events.Event] = deque()
        self._kept: list[events.Event] = []  # they could not be handled
        self._is_busy = False
        self._is_alarm_set = False  # by which they are told again
        self._failure_count = 0  # of decisions in a row
        self._pause_until = 0.0  # no Tick before this: one that fails would come at once again
        self._replies: dict[int, Callable[[str], object]] = {}
        self._request = 0
        self._actions: dict[type[actions.Action], Do] = {
            actions.Log: self._log,
            actions.Report: lambda action: report(action.error.line, action.error.traceback),
            actions.Reply: self._reply,
        }
        self._processes: Processes | None = None

    def connect(self, processes: Processes, others: Mapping[type[actions.Action], Do]) -> None:
        """Know who does what.

        Args:
            processes: Do what is about one worker.
            others: Who does anything else.
        """
        self._processes = processes
        self._actions |= {
            actions.Spawn: processes.prepare_worker,
            actions.Send: processes.send,
            actions.Kill: processes.kill,
            actions.DumpStacks: processes.dump_stacks,
            actions.Release: processes.release,
            actions.DropShared: processes.drop_shared,
            actions.StartZygote: processes.zygote_starter.start,
            actions.CloseZygotes: processes.zygote_starter.close,
            **others,
        }

    def tell(self, event: events.Event) -> None:
        """Let the machine decide, and do what it wants; never raises."""
        self._waiting.append(event)
        if self._is_busy:
            return
        self._is_busy = True
        try:
            while self._waiting:
                self._decide(self._waiting.popleft())
        finally:
            self._is_busy = False

    def ask(self, order: events.OrderEvent, answered: Callable[[str], object]) -> None:
        """Give an order; answered() is called with the problem, empty if it was done."""
        if len(self._replies) >= MOST_REQUESTS:
            answered("too many orders wait for their outcome")
            return
        self._request += 1
        self._replies[self._request] = answered
        self.tell(dataclasses.replace(order, request=self._request))

    def wait_seconds(self) -> float | None:
        """Return in how many seconds there is something to do."""
        deadline = self.machine.next_deadline()
        if deadline is None:
            return None
        return max(0.0, max(deadline, self._pause_until) - time.monotonic())

    def tick(self) -> None:
        """Let the machine act on its deadlines, if one has passed."""
        deadline = self.machine.next_deadline()
        if deadline is not None and deadline <= time.monotonic() >= self._pause_until:
            self.tell(events.Tick())

    def is_keeping(self, name: WorkerId) -> bool:
        """Say whether an event of a worker waits to be told again."""
        return any(isinstance(one, events.WorkerEvent) and one.worker == name for one in self._kept)

    # Private -----------------------------------------------------------------------------------

    def _decide(self, event: events.Event) -> None:
        decide = functools.partial(self._handle, event)
        keep = functools.partial(self._keep, event)
        self._poller.call(Handler(HandlerName.DECISION, decide, keep, type(event).__name__))

    def _handle(self, event: events.Event) -> None:
        done = self.machine.handle(event, time.monotonic())
        self._failure_count = 0
        for kind, alike in itertools.groupby(done, type):
            if kind is actions.Spawn:
                self._spawn([action for action in alike if isinstance(action, actions.Spawn)])
            else:
                for action in alike:
                    self._do(action)

    def _spawn(self, spawns: Sequence[actions.Spawn]) -> None:
        """Prepare workers, then fork them: see workerforker.py, rule 2."""
        assert self._processes is not None
        for begin in range(0, len(spawns), SPAWNED_AT_ONCE):
            self._spawn_together(self._processes, spawns[begin : begin + SPAWNED_AT_ONCE])

    def _spawn_together(self, processes: Processes, spawns: Sequence[actions.Spawn]) -> None:
        for action in spawns:
            self._do(action)

        def fail() -> None:
            for action in spawns:
                self.tell(events.ActionFailed(action))

        fork = functools.partial(processes.fork, spawns)
        self._poller.call(Handler(HandlerName.SPAWNING, fork, fail))

    def _keep(self, event: events.Event) -> None:
        if len(self._kept) >= MOST_KEPT:
            self._drop(event)
        elif not isinstance(event, _REPEATED):
            self._kept.append(event)
        self._failure_count += 1
        seconds = retry_delay(self._failure_count)
        self._pause_until = time.monotonic() + seconds
        if not self._is_alarm_set:
            self._poller.call_later(seconds, Handler(HandlerName.DECISION, self._tell_again))
            self._is_alarm_set = True

    def _drop(self, event: events.Event) -> None:
        """Answer an order that is not kept."""
        if isinstance(event, events.OrderEvent):
            self._reply(actions.Reply(event.request, "it failed; see the log of the master"))

    def _tell_again(self) -> None:
        self._is_alarm_set = False
        kept, self._kept = self._kept, []
        for event in kept:
            self.tell(event)

    def _do(self, action: actions.Action) -> None:
        name = _NAMES.get(type(action), HandlerName.SERVING_STEP)
        do = functools.partial(self._actions[type(action)], action)
        failed = functools.partial(self.tell, events.ActionFailed(action))
        self._poller.call(Handler(name, do, failed, self._subject(action)))

    def _subject(self, action: actions.Action) -> object:
        """Return what an action is about, for the log of a failure."""
        name = getattr(action, "worker", None)
        process = self._processes.find(name) if name is not None and self._processes else None
        return process or type(action).__name__

    def _log(self, action: actions.Log) -> None:
        extra = {}
        if action.stacks is not None and self._processes is not None:
            extra["user_traceback"] = self._processes.read_stacks(action.stacks)
        write = getattr(log, action.level)
        write(action.text, *map(self._resolve, action.arguments), extra=extra)

    def _resolve(self, argument: object) -> object:
        """Return what stands in a log line for an argument of the machine."""
        if isinstance(argument, StacksOf):
            assert self._processes is not None
            return self._processes.describe_stacks(argument.id)
        if not isinstance(argument, WorkerName | ProcessId) or argument.id is None:
            return argument
        assert self._processes is not None
        process = self._processes.find(argument.id)
        if isinstance(argument, ProcessId):
            return process.pid if process is not None else 0
        return process or argument

    def _reply(self, action: actions.Reply) -> None:
        answered = self._replies.pop(action.request, None)
        if answered is not None:
            answered(action.problem)
