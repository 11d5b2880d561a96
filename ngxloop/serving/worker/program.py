"""A script, run as __main__ in a worker: unchanged, told of orders by a signal.

The event loop, if there is one yet, is the script's. So the channel is watched by the kernel, which
sends SIGURG when something arrives there (fcntl(2), F_SETOWN, F_SETSIG): it works under any loop
and under none, its default action is to ignore it, and it needs no thread.

How it drains. The accept gate closes; the answers of known HTTP servers end their connections
(keepalive.py); the connections get time to end: all of the graceful time-out if the program has no
signal handler of its own, else --idle-grace, because what stops gracefully by itself should begin
early. Then the program is told as from a terminal or a container's manager: by the SIGTERM for
which it has a handler, else by SIGINT, which cancels the main task of asyncio.run() and raises
KeyboardInterrupt elsewhere. At the deadline it gets a SIGINT in any case.

How it is interrupted. Both signals raise an exception, SystemExit or KeyboardInterrupt, wherever
the main thread is: in the script, in an import, or already on its way out. Each of them ends the
process without a traceback, and with exit code 0 if the program was told to end.

The trap: signal.pause() returns after every signal, ours included, and a program that waits in it
for its end would end. So there is another pause(), which waits on (signalpause.py).
"""

import asyncio
import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator, Mapping
from typing import Any

from ngxloop.serving.base.application import package_advice, user_errors, user_traceback
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.states import INTERRUPTED, State
from ngxloop.serving.base.timing import CANCEL_SECONDS, DRAIN_POLL_SECONDS, SETTLE_SECONDS
from ngxloop.serving.logs.logs import log, report
from ngxloop.serving.options.application import MODULE_FLAG
from ngxloop.serving.process.signalpause import SignalPause
from ngxloop.serving.worker.assignment import Assignment
from ngxloop.serving.worker.foreignloop import ForeignLoopWatch
from ngxloop.serving.worker.keepalive import Connections
from ngxloop.serving.worker.programwatch import ProgramWatch
from ngxloop.serving.worker.scripts import application_advice, find_script
from ngxloop.serving.worker.shutdownsignals import ShutdownSignalDetector, describe_tasks
from ngxloop.serving.worker.workercore import WorkerCore, make_loop_context
from ngxloop.serving.worker.workerloop import WorkerLoop, loop_class, provide_loops

_ORDER_SIGNAL = signal.SIGURG


def run_script(assignment: Assignment) -> int:
    """Run the script until it ends, by itself or because it was told to; return the exit status."""
    program = _Program(assignment)
    try:
        return program.run()
    except KeyboardInterrupt as error:  # before the script began, or while it ended for another one
        return program.interrupted(error)
    except StartError:
        signal.signal(_ORDER_SIGNAL, signal.SIG_IGN)  # no answer to an order may follow FAILED
        raise


class _Program:
    """One script, from its start to its end."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._config = assignment.config
        self._pid = os.getpid()
        self._is_told = False  # to end
        self._loop_context = make_loop_context(assignment)
        self._loop_context.connections = Connections()
        self._core = WorkerCore(assignment, self._loop_context.client, self)

    def run(self) -> int:
        """Prepare the process, then run the script in it."""
        provide_loops(loop_class(self._loop_context))
        client = self._loop_context.client
        client.on_listen = self._become_ready_soon
        client.install()
        app = self._config.app
        self._watch = ProgramWatch(
            app,
            _ORDER_SIGNAL,
            client.shared_inodes,
            client.heard_inodes,
            self._become_ready,
        )
        self._loop_watch = ForeignLoopWatch(app)
        self._loop_watch.begin()
        self._listen_to_orders()
        SignalPause(_ORDER_SIGNAL).install()
        if self._config.ready_on == "start":
            self._become_ready()
        else:
            self._watch.begin()
        return self._run_script()

    def interrupted(self, error: BaseException) -> int:
        """Return the exit status of a program that was interrupted."""
        if self._is_told:
            return ExitCode.OK
        if isinstance(error, KeyboardInterrupt):
            return INTERRUPTED
        report(f"{self._config.app} was cancelled", user_traceback(error))
        return ExitCode.INTERNAL

    # The script --------------------------------------------------------------------------------

    def _run_script(self) -> int:
        app = self._config.app
        script = find_script(app, self._config.app_dir)
        names: dict[str, Any] = {}
        try:
            with self._errors_before_ready():
                names = script.run(self._config.arguments)
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            return self.interrupted(error)
        except StartError:
            raise
        except Exception as error:
            report(f"{app} raised", user_traceback(error))
            return ExitCode.INTERNAL
        self._refuse_early_end(names)
        return ExitCode.OK

    @contextlib.contextmanager
    def _errors_before_ready(self) -> Iterator[None]:
        """Turn what the script raises into a StartError, if it does not serve yet."""
        try:
            yield
        except SystemExit as error:  # a program says itself why: the place where helps nobody
            if self._core.state is not State.STARTING or self._is_told:
                raise
            line = f"{self._config.app} ended before it served: {_words_of(error)}"
            raise StartError(ExitCode.START_FAILED, line) from error
        except Exception as error:
            if self._core.state is not State.STARTING:
                raise
            line = f"{self._config.app} raised {{}} before it served"
            if advice := package_advice(error, self._config.app, f"{MODULE_FLAG}{{}}"):
                line += f"; {advice}"
            with user_errors(ExitCode.START_FAILED, line):
                raise

    def _refuse_early_end(self, names: Mapping[str, object]) -> None:
        if self._core.state is State.STARTING:
            advice = application_advice(self._config.app, names)
            advice = advice or "a program that does not listen needs --ready-on start"
            line = f"{self._config.app} ended before it served; {advice}"
            raise StartError(ExitCode.START_FAILED, line)

    # Readiness ---------------------------------------------------------------------------------

    def _become_ready_soon(self) -> None:
        """It listens: if its event loop goes on running, it has started. Without one, it has."""
        loop = asyncio._get_running_loop()
        if loop is None:
            self._become_ready()
        else:
            loop.call_later(SETTLE_SECONDS, self._become_ready)

    def _become_ready(self) -> None:
        if self._core.state is State.STARTING:
            self._core.become_ready("script")
            self._watch.end()
            self._loop_watch.serving()

    # Orders, see workercore.FrontEnd -----------------------------------------------------------

    def accept_waiting(self) -> None:
        """Let the loop take what waits at its sockets. Runs in a signal, as all orders do."""
        loop = self._loop_context.serving
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(loop.accept_waiting)

    def drain(self) -> None:
        """Accept no more; tell the program to end when the time has come."""
        if self._loop_context.client.is_draining:
            return
        is_serving = self._core.state is State.READY
        self._core.begin_drain()
        loop = self._loop_context.serving
        if not is_serving or loop is None or not loop.is_running():
            self._tell_to_end()
            return
        deadline = loop.time() + self._core.graceful_timeout
        loop.call_soon_threadsafe(self._wait_for_connections, loop, deadline)

    def stop(self) -> None:
        """Tell the program to end now."""
        self._loop_context.client.drain()
        self._core.enter(State.STOPPING)
        self._tell_to_end()

    def _listen_to_orders(self) -> None:
        signal.signal(signal.SIGTERM, self._handle_term)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(_ORDER_SIGNAL, self._handle_order_signal)
        fd = self._core.channel.fileno()
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETSIG, _ORDER_SIGNAL)
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
        self._shutdown_signals = ShutdownSignalDetector()
        self._core.read_orders()  # those that have arrived before

    def _handle_order_signal(self, *_: object) -> None:
        if os.getpid() == self._pid:
            self._core.read_orders()
            self._watch.look()

    def _handle_term(self, *_: object) -> None:
        """The program has no handler: drain; the second time, or without a loop, end."""
        if os.getpid() != self._pid:  # a child that the program has forked
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)
            return
        loop = self._loop_context.serving
        if self._is_told or loop is None or not loop.is_running():
            self._core.set_alarm_if_orphan()
            self._is_told = True
            raise SystemExit(ExitCode.OK)
        self._core.handle_term()

    # The end -----------------------------------------------------------------------------------

    def _wait_for_connections(self, loop: WorkerLoop, deadline: float) -> None:
        if self._loop_context.connections is not None:
            self._loop_context.connections.end()
        patience = deadline
        if self._shutdown_signals.handled_signal() is not None:
            patience = min(deadline, loop.time() + self._config.idle_grace)
        self._poll(loop, patience, deadline)

    def _poll(self, loop: WorkerLoop, patience: float, deadline: float) -> None:
        if self._core.connection_count() and loop.time() < patience:
            loop.call_later(DRAIN_POLL_SECONDS, self._poll, loop, patience, deadline)
            return
        if patience == deadline and self._core.connection_count():
            log.warning("not drained at the deadline; interrupting %s", describe_tasks(loop))
        loop.call_at(max(deadline, loop.time() + CANCEL_SECONDS), self._insist, loop)
        self._tell_to_end()

    def _insist(self, loop: WorkerLoop) -> None:
        """The program was told, and still waits for something."""
        log.warning("not ended at the deadline; interrupting %s", describe_tasks(loop))
        os.kill(os.getpid(), signal.SIGINT)

    def _tell_to_end(self) -> None:
        self._is_told = True
        log.debug("draining: the program is told to end")
        number = self._shutdown_signals.handled_signal() or signal.SIGINT
        os.kill(os.getpid(), number)


def _words_of(error: SystemExit) -> str:
    """Return what a program was ended with: its words, or its exit code."""
    code = 0 if error.code is None else error.code
    return f"exit code {code}" if isinstance(code, int) else str(code)
