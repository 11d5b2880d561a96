"""A worker process: loop, application, adapter; ready, serve, drain, exit.

Orders come over the channel. Its end of file means that the master is gone; the worker then drains
and exits, as it does on a SIGTERM of its own. Nobody is left to kill such an orphan if it hangs, so
it sets itself an alarm, whose default action ends it: from the loop when that sees the end of file,
and from a handler of the SIGTERM that the kernel sends then (parent.py), which also runs when the
application blocks the loop.
"""

import asyncio
import functools
import math
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from ngxloop.serving.adapters.base import Adapter, Service
from ngxloop.serving.application import call_factory, load_object
from ngxloop.serving.assignment import Assignment
from ngxloop.serving.borrowing import Borrower
from ngxloop.serving.channel import MESSAGE_BYTES, Kind
from ngxloop.serving.config import CANCEL_SECONDS, KILL_SECONDS
from ngxloop.serving.default_bind import open_default
from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.interface import choose_adapter
from ngxloop.serving.libraries import take_libraries
from ngxloop.serving.listeners import ListeningSocket
from ngxloop.serving.logformats import Writer
from ngxloop.serving.logs import log, reopen, restore, set_up_logs
from ngxloop.serving.options.application import PROGRAM_INTERFACES, is_script
from ngxloop.serving.parent import signal_on_parent_death
from ngxloop.serving.program import run_script
from ngxloop.serving.states import State
from ngxloop.serving.titles import set_title
from ngxloop.serving.workergate import defer_accept, make_worker_gate
from ngxloop.serving.workerloop import Sharing, WorkerLoop, loop_class, provide_loops


def run_worker(assignment: Assignment) -> int:
    """Serve until told to stop; return the exit status. Called in the forked process."""
    config = assignment.config
    assignment.board.claim(assignment.slot, os.getpid())
    _set_title(assignment, State.STARTING)
    writer = Writer(assignment.name, assignment.number, assignment.generation)
    set_up_logs(config, writer, config.start_plan.uid)
    hooks = config.hook_functions
    hooks.call("post_fork", assignment.number)
    try:
        _initialise(assignment)
        if not signal_on_parent_death(signal.SIGTERM, assignment.master_pid):  # setuid() undoes it
            return ExitCode.OK
        hooks.require("worker_init", assignment.number)
        return run_script(assignment) if is_script(config.app) else _run_loop(assignment)
    except StartError as error:
        failure = error
    except Exception as error:
        line = f"{assignment.name} failed: {type(error).__name__}: {error}"
        failure = StartError(ExitCode.INTERNAL, line, traceback.format_exc())
    finally:
        hooks.call("worker_exit", assignment.number)
    assignment.channel.send(Kind.FAILED, failure.pack(MESSAGE_BYTES - 1))
    return failure.code


def _initialise(assignment: Assignment) -> None:
    config, plan = assignment.config, assignment.config.start_plan
    if assignment.is_preloaded:
        plan.apply_own(assignment.number)
    else:
        plan.apply(assignment.number)
        take_libraries(config.app_dir, plan.variables)


def _run_loop(assignment: Assignment) -> int:
    config = assignment.config
    borrower = Borrower(assignment)
    sharing = Sharing(
        borrower,
        lambda: make_worker_gate(assignment),
        busy_poll=config.busy_poll,
        coalesce_writes=config.coalesce_writes,
    )
    with asyncio.Runner(loop_factory=loop_class(sharing)) as runner:
        loop: Any = runner.get_loop()
        asyncio.set_event_loop(loop)  # modules that ask for the loop while they are imported
        found = load_object(config.app, config.app_dir)
        restore()  # the logs, which the application may have configured away
        return runner.run(_Worker(assignment, found, loop, borrower).run())


def _set_title(assignment: Assignment, state: State) -> None:
    condition = "" if state is State.READY else f" ({state.name.lower()})"
    set_title(f"{assignment.name}{condition} [{assignment.config.app}]")


class _Worker:
    """One life: started, asked to drain, drained. Runs in the loop."""

    def __init__(
        self, assignment: Assignment, found: Any, loop: WorkerLoop, borrower: Borrower
    ) -> None:
        self._config = assignment.config
        self._assignment = assignment
        self._channel = assignment.channel
        self._found = found
        self._loop = loop
        self._borrower = borrower
        self._exit_status: int | None = None  # of an application that has ended by itself
        self._drain_asked = asyncio.Event()
        self._state = State.STARTING
        self._was_term_received = False
        self._request_count = 0
        self._graceful_timeout = assignment.config.graceful_timeout
        self._task: asyncio.Task[int] | None = None

    async def run(self) -> int:
        """Serve until told to drain, and drain; return the exit status."""
        self._task = asyncio.current_task()
        self._listen_to_orders()
        try:
            adapter = await self._start()
            await self._drain_asked.wait()
            if self._exit_status is not None:
                return self._exit_status
            return await self._drain(adapter)
        except asyncio.CancelledError:  # told to stop at once; what still runs is cancelled next
            log.debug("stopped")
            return ExitCode.OK

    # Orders ------------------------------------------------------------------------------------

    def _listen_to_orders(self) -> None:
        self._loop.add_reader(self._channel.fileno(), self._read_channel)
        self._borrower.read_orders = self._read_channel
        self._loop.add_signal_handler(signal.SIGTERM, self._handle_term)
        # The loop learns of signals through its pipe; what Python calls is free for us.
        signal.signal(signal.SIGTERM, self._set_alarm_if_orphan)

    def _read_channel(self) -> None:
        for message in self._channel.receive():
            self._assignment.look(urge=message.kind is Kind.URGE)
            if message.kind is Kind.ACCEPT:
                self._loop.accept_waiting()
            elif message.kind is Kind.DRAIN:
                self._graceful_timeout = float(message.payload or self._graceful_timeout)
                self._ask_drain()
            elif message.kind is Kind.STOP:
                self._ask_stop()
            elif message.kind is Kind.REOPEN:
                reopen()
            elif message.kind is Kind.LINE:
                self._borrower.renew(message)
        if not self._channel.is_open:
            self._loop.remove_reader(self._channel.fileno())
            self._become_orphan()

    def _handle_term(self) -> None:
        if self._is_orphan():  # the kernel tells that the master died
            self._become_orphan()
        elif self._was_term_received:
            self._ask_stop()
        else:  # the first one, though the master may have ordered the same: its group got it too
            self._was_term_received = True
            log.debug("got a TERM: draining")
            self._ask_drain()

    def _become_orphan(self) -> None:
        if not self._drain_asked.is_set():
            log.warning("the master is gone; draining")
        self._set_alarm_if_orphan()
        self._ask_drain()

    def _is_orphan(self) -> bool:
        return os.getppid() != self._assignment.master_pid

    def _set_alarm_if_orphan(self, *_: object) -> None:
        """Be the one who kills us; the second alarm is later than the first, and harmless."""
        if self._is_orphan():
            signal.alarm(math.ceil(self._graceful_timeout + KILL_SECONDS))

    def _ask_drain(self) -> None:
        if self._state is State.STARTING and not self._count_connections():  # nothing to finish
            self._ask_stop()
        self._drain_asked.set()

    def _ask_stop(self) -> None:
        self._borrower.drain()
        if self._task is not None:
            self._task.cancel()

    # Life --------------------------------------------------------------------------------------

    async def _start(self) -> Adapter:
        adapter = await self._make_adapter()
        sockets = await self._find_sockets(adapter)
        if self._config.deferred_accept:
            defer_accept(sockets)
        await adapter.start(sockets)
        if adapter.name not in PROGRAM_INTERFACES:
            self._borrower.hang_up()
        restore()
        self._enter(State.READY)
        self._channel.send(Kind.READY, adapter.name.encode())
        log.debug("ready")
        return adapter

    async def _make_adapter(self) -> Adapter:
        config, application = self._config, self._found
        if config.factory:
            application = await call_factory(application, config.app)
        adapter_class = choose_adapter(application, config.interface, config.app)
        return adapter_class(
            Service(
                application,
                config,
                connection_count=self._count_connections,
                count_request=self._request_counter(),
                share_sockets=self._share_sockets,
                end=self._end,
            )
        )

    async def _find_sockets(self, adapter: Adapter) -> Sequence[ListeningSocket]:
        """Return the sockets that the master has opened, or the default one for an application."""
        if self._assignment.sockets or adapter.name == "main":
            return self._assignment.sockets
        return [await open_default(self._borrower, self._config.backlog)]

    def _share_sockets(self, on_listen: Callable[[], object]) -> None:
        """Let a program that binds by itself share; see borrowing.py."""
        provide_loops(type(self._loop))
        self._borrower.on_listen = on_listen
        self._borrower.install()

    def _end(self, status: int) -> None:
        """The application has ended by itself."""
        if not self._drain_asked.is_set():
            self._exit_status = status
            self._drain_asked.set()

    async def _drain(self, adapter: Adapter) -> int:
        """Drain; return the exit status, which tells if the application's shut-down raised."""
        self._borrower.drain()
        self._enter(State.DRAINING)
        self._channel.send(Kind.DRAINING)
        log.debug("draining")
        deadline = self._loop.time() + self._graceful_timeout
        limit = asyncio.timeout_at(deadline + CANCEL_SECONDS)
        try:
            async with limit:
                await adapter.drain(deadline)
        except Exception:
            if not limit.expired():
                log.exception("%s raised while it was shutting down", self._config.app)
                return ExitCode.INTERNAL
            log.warning("not drained after %g s; cancelling", self._graceful_timeout)
        return ExitCode.OK

    def _enter(self, state: State) -> None:
        self._state = state
        _set_title(self._assignment, state)
        self._assignment.enter(state)

    def _count_connections(self) -> int:
        active: int = self._assignment.board.read(self._assignment.slot)["active"]
        return active

    def _request_counter(self) -> Callable[[], object]:
        """Return what counts a request: without Python code, unless somebody set a limit."""
        if self._assignment.request_limit:
            return self._count_request
        return functools.partial(self._assignment.board.add_request, self._assignment.slot)

    def _count_request(self) -> None:
        """Tell the scoreboard, and the master once these were enough; it replaces us first."""
        self._assignment.board.add_request(self._assignment.slot)
        self._request_count += 1
        if self._request_count == self._assignment.request_limit:
            self._channel.send(Kind.WORN)
