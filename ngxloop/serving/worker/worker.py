"""A worker process: its preparation, and an application in a loop of ours, from start to exit."""

import asyncio
import functools
import os
import signal
import traceback
from collections.abc import Callable, Collection, Sequence
from typing import Any

from ngxloop.serving.base.application import call_factory, load_object
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.states import State
from ngxloop.serving.base.timing import CANCEL_SECONDS
from ngxloop.serving.logs.logformats import Writer
from ngxloop.serving.logs.logs import log, restore, set_up_logs
from ngxloop.serving.options.application import PROGRAM_INTERFACES, is_script
from ngxloop.serving.process.message import MESSAGE_BYTES, MessageKind
from ngxloop.serving.process.parent import signal_on_parent_death
from ngxloop.serving.process.signals import signals_deferred
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.worker.adapters.base import Adapter, AdapterContext
from ngxloop.serving.worker.assignment import Assignment
from ngxloop.serving.worker.default_bind import open_default
from ngxloop.serving.worker.interface import find_adapter
from ngxloop.serving.worker.keepalive import Connections
from ngxloop.serving.worker.libraries import take_libraries
from ngxloop.serving.worker.nesting import mark_worker
from ngxloop.serving.worker.program import run_script
from ngxloop.serving.worker.programwatch import FIRST_LOOK_SECONDS, explain, next_interval
from ngxloop.serving.worker.tlsrefusals import HandshakeRefusals
from ngxloop.serving.worker.unseenlisteners import find_listener, listening_inodes
from ngxloop.serving.worker.workercore import (
    WorkerCore,
    make_loop_context,
    set_alarm_if_orphan,
    show_state,
)
from ngxloop.serving.worker.workergate import defer_accept
from ngxloop.serving.worker.workerloop import LoopContext, WorkerLoop, loop_class, provide_loops


def run_worker(assignment: Assignment) -> int:
    """Serve until told to stop; return the exit status. Called in the forked process."""
    config = assignment.config
    writer = Writer(assignment.name, assignment.number, assignment.generation)
    set_up_logs(config, writer, config.start_plan.uid)
    if not signal_on_parent_death(signal.SIGTERM, assignment.master_pid):
        return ExitCode.OK
    assignment.board.claim(assignment.slot, os.getpid())
    show_state(assignment, State.STARTING)
    hooks = config.hook_functions
    hooks.call("post_fork", assignment.number)
    try:
        mark_worker(config)
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
        end = functools.partial(set_alarm_if_orphan, assignment, config.graceful_timeout)
        with signals_deferred((signal.SIGTERM, signal.SIGINT), end):
            end()
            hooks.call("worker_exit", assignment.number)
    assignment.channel.send(MessageKind.FAILED, failure.pack(MESSAGE_BYTES - 1))
    return failure.code


def _initialise(assignment: Assignment) -> None:
    config, plan = assignment.config, assignment.config.start_plan
    if assignment.is_preloaded:
        plan.apply_own(assignment.number)
    else:
        plan.apply(assignment.number)
        take_libraries(config.app_dir, plan.variables.names)


def _run_loop(assignment: Assignment) -> int:
    config = assignment.config
    loop_context = make_loop_context(assignment)
    with asyncio.Runner(loop_factory=loop_class(loop_context)) as runner:
        loop: Any = runner.get_loop()
        asyncio.set_event_loop(loop)  # modules that ask for the loop while they are imported
        restore()
        found = load_object(config.app, config.app_dir)
        restore()  # the logs, which the application may have configured away
        return runner.run(_Worker(assignment, found, loop, loop_context).run())


class _Worker:
    """One life: started, asked to drain, drained. Runs in the loop."""

    def __init__(
        self, assignment: Assignment, found: Any, loop: WorkerLoop, loop_context: LoopContext
    ) -> None:
        self._config = assignment.config
        self._assignment = assignment
        self._found = found
        self._loop = loop
        self._loop_context = loop_context
        self._core = WorkerCore(assignment, loop_context.client, self)
        self._exit_status: int | None = None  # of an application that has ended by itself
        self._drain_asked = asyncio.Event()
        self._request_count = 0
        self._task: asyncio.Task[int] | None = None

    async def run(self) -> int:
        """Serve until told to drain, and drain; return the exit status."""
        self._task = asyncio.current_task()
        self._listen_to_orders()
        if self._config.tls is not None:
            refusals = HandshakeRefusals()
            refusals.watch_names()
            self._loop.set_handshake_refusal(refusals)
        try:
            adapter = await self._start()
            await self._drain_asked.wait()
            if self._exit_status is not None:
                return self._exit_status
            return await self._drain(adapter)
        except asyncio.CancelledError:  # told to stop at once; what still runs is cancelled next
            log.debug("stopped")
            return ExitCode.OK

    # Orders, see workercore.FrontEnd -----------------------------------------------------------

    def accept_waiting(self) -> None:
        """Take every connection that waits."""
        self._loop.accept_waiting()

    def drain(self) -> None:
        """Drain, or stop if there is nothing to finish."""
        if self._core.state is State.STARTING and not self._core.connection_count():
            self.stop()
        self._drain_asked.set()

    def stop(self) -> None:
        """Cancel everything."""
        self._loop_context.client.drain()
        if self._task is not None:
            self._task.cancel()

    def _listen_to_orders(self) -> None:
        core = self._core
        self._loop.add_reader(core.channel.fileno(), self._read_channel)
        self._loop_context.client.keeper.read_orders = self._read_channel
        self._loop.add_signal_handler(signal.SIGTERM, core.handle_term)
        # The loop learns of signals through its pipe; what Python calls is free for us.
        signal.signal(signal.SIGTERM, core.set_alarm_if_orphan)

    def _read_channel(self) -> None:
        self._core.read_orders()
        if not self._core.channel.is_open:
            self._loop.remove_reader(self._core.channel.fileno())

    # Life --------------------------------------------------------------------------------------

    async def _start(self) -> Adapter:
        adapter = await self._make_adapter()
        sockets = await self._find_sockets(adapter)
        if self._config.deferred_accept:
            defer_accept(sockets)
        await adapter.start(sockets)
        if adapter.name not in PROGRAM_INTERFACES:
            self._loop_context.client.hang_up()
        restore()
        self._core.become_ready(adapter.name)
        return adapter

    async def _make_adapter(self) -> Adapter:
        config, application = self._config, self._found
        if config.factory:
            application = await call_factory(application, config.app)
        adapter_class = find_adapter(application, config)
        return adapter_class(
            AdapterContext(
                application,
                config,
                connection_count=self._core.connection_count,
                count_request=self._request_counter(),
                board=self._assignment.board,
                slot=self._assignment.slot,
                on_request=self._count_request if self._assignment.request_limit else None,
                share_sockets=self._share_sockets,
                tls_options=self._tls_options,
                end=self._end,
            )
        )

    async def _find_sockets(self, adapter: Adapter) -> Sequence[ListeningSocket]:
        """Return the sockets that the master has opened, or the default one for an application."""
        if self._assignment.sockets or adapter.name == "main":
            return self._assignment.sockets
        return [await open_default(self._loop_context.client, self._config.backlog)]

    def _tls_options(self, sock: ListeningSocket) -> dict[str, Any]:
        """Return what asyncio takes for TLS at a socket, which may be the default one."""
        tls, sockets = self._config.tls, self._assignment.sockets
        if tls is None or (sock in sockets and sockets.index(sock) in self._assignment.plain):
            return {}
        return {"ssl": tls.context, "ssl_handshake_timeout": self._config.ssl_handshake_timeout}

    def _share_sockets(self, on_listen: Callable[[], object]) -> None:
        """Let a program that binds by itself share; see sharedbind.py."""
        provide_loops(type(self._loop))
        self._loop_context.connections = Connections()
        self._loop_context.client.on_listen = on_listen
        self._loop_context.client.install()
        known = frozenset(listening_inodes())
        self._look_for_listener(on_listen, known, FIRST_LOOK_SECONDS)

    def _look_for_listener(
        self, on_listen: Callable[[], object], known: Collection[int], seconds: float
    ) -> None:
        """Find out whether a program listens unseen, from time to time until it serves."""
        if self._core.state is not State.STARTING:
            return
        client = self._loop_context.client
        found = find_listener(client.shared_inodes, client.heard_inodes, known)
        if found is not None:
            explain(self._config.app, found)
            on_listen()
            return
        again = next_interval(seconds)
        self._loop.call_later(seconds, self._look_for_listener, on_listen, known, again)

    def _end(self, status: int) -> None:
        """The application has ended by itself."""
        if not self._drain_asked.is_set():
            self._exit_status = status
            self._drain_asked.set()

    async def _drain(self, adapter: Adapter) -> int:
        """Drain; return the exit status, which tells if the application's shut-down raised."""
        self._core.begin_drain()
        if self._loop_context.connections is not None:
            self._loop_context.connections.end()
        deadline = self._loop.time() + self._core.graceful_timeout
        self._loop.call_later(self._config.idle_grace, self._loop.abort_handshakes)
        limit = asyncio.timeout_at(deadline + CANCEL_SECONDS)
        try:
            async with limit:
                await adapter.drain(deadline)
        except Exception:
            if not limit.expired():
                log.exception("%s raised while it was shutting down", self._config.app)
                return ExitCode.INTERNAL
            log.warning("not drained after %g s; cancelling", self._core.graceful_timeout)
        return ExitCode.OK

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
            self._core.channel.send(MessageKind.MAX_REQUESTS_REACHED)
