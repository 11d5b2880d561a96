"""A script, run as __main__ in a worker: unchanged, told of orders by a signal.

The event loop, if there is one yet, is the script's. So the channel is watched by the kernel, which
sends SIGURG when something arrives there (fcntl(2), F_SETOWN, F_SETSIG): it works under any loop
and under none, its default action is to ignore it, and it needs no thread.

How it drains. The accept gate closes; the connections get time to end: all of the graceful time-out
if the program has no signal handler of its own, else --idle-grace, because what stops gracefully by
itself should begin early. Then the program is told as from a terminal or a container's manager: by
the SIGTERM for which it has a handler, else by SIGINT, which cancels the main task of asyncio.run()
and raises KeyboardInterrupt elsewhere. At the deadline it gets a SIGINT in any case.
"""

import asyncio
import contextlib
import fcntl
import math
import os
import runpy
import signal
import sys
from collections.abc import Iterator

from ngxloop.serving.application import user_errors, user_traceback
from ngxloop.serving.assignment import Assignment
from ngxloop.serving.borrowing import Borrower
from ngxloop.serving.channel import Kind, Message
from ngxloop.serving.config import (
    CANCEL_SECONDS,
    DRAIN_POLL_SECONDS,
    KILL_SECONDS,
    SETTLE_SECONDS,
)
from ngxloop.serving.endings import Endings, describe_tasks
from ngxloop.serving.errors import ExitCode, StartError
from ngxloop.serving.logs import log, report
from ngxloop.serving.states import State
from ngxloop.serving.workergate import make_worker_gate
from ngxloop.serving.workerloop import Sharing, WorkerLoop, loop_class, provide_loops

_ORDER_SIGNAL = signal.SIGURG
INTERRUPTED = 130  # what a shell shows for a program that Ctrl-C has ended


def run_script(assignment: Assignment) -> int:
    """Run the script until it ends, by itself or because it was told to; return the exit status."""
    return _Program(assignment).run()


class _Program:
    """One script, from its start to its end."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._config = assignment.config
        self._channel = assignment.channel
        self._state = State.STARTING
        self._is_told = False  # to end
        self._borrower = Borrower(assignment)
        self._sharing = Sharing(
            self._borrower,
            lambda: make_worker_gate(assignment),
            busy_poll=self._config.busy_poll,
            coalesce_writes=self._config.coalesce_writes,
        )

    def run(self) -> int:
        """Prepare the process, then run the script in it."""
        provide_loops(loop_class(self._sharing))
        self._borrower.on_listen = self._become_ready_soon
        self._borrower.install()
        self._listen_to_orders()
        if self._config.ready_on == "start":
            self._become_ready()
        return self._run_script()

    # The script --------------------------------------------------------------------------------

    def _run_script(self) -> int:
        path = self._config.app
        if not os.path.exists(path):
            line = f"there is no script {path!r} in {os.getcwd()}; give its path"
            raise StartError(ExitCode.NO_MODULE, line)
        sys.argv = [path, *self._config.arguments]
        sys.path[: 0 if sys.flags.safe_path else 1] = [os.path.dirname(os.path.abspath(path))]
        try:
            with self._errors_before_ready():
                runpy.run_path(path, run_name="__main__")
        except (KeyboardInterrupt, asyncio.CancelledError) as error:
            return self._interrupted(error)
        except StartError:
            raise
        except Exception as error:
            report(f"{path} raised", user_traceback(error))
            return ExitCode.INTERNAL
        self._refuse_early_end()
        return ExitCode.OK

    @contextlib.contextmanager
    def _errors_before_ready(self) -> Iterator[None]:
        """Turn what the script raises into a StartError, if it does not serve yet."""
        try:
            yield
        except SystemExit as error:  # a program says itself why: the place where helps nobody
            if self._state is not State.STARTING:
                raise
            line = f"{self._config.app} ended before it served: {_words_of(error)}"
            raise StartError(ExitCode.START_FAILED, line) from error
        except Exception:
            if self._state is not State.STARTING:
                raise
            line = f"{self._config.app} raised {{}} before it served"
            with user_errors(ExitCode.START_FAILED, line):
                raise

    def _refuse_early_end(self) -> None:
        if self._state is State.STARTING:
            raise StartError(
                ExitCode.START_FAILED,
                f"{self._config.app} ended before it served; "
                "a program that serves nobody needs --ready-on start",
            )

    def _interrupted(self, error: BaseException) -> int:
        if self._is_told:
            return ExitCode.OK
        if isinstance(error, KeyboardInterrupt):
            return INTERRUPTED
        report(f"{self._config.app} was cancelled", user_traceback(error))
        return ExitCode.INTERNAL

    # Readiness ---------------------------------------------------------------------------------

    def _become_ready_soon(self) -> None:
        """It listens: if its event loop goes on running, it has started. Without one, it has."""
        loop = asyncio._get_running_loop()
        if loop is None:
            self._become_ready()
        else:
            loop.call_later(SETTLE_SECONDS, self._become_ready)

    def _become_ready(self) -> None:
        if self._state is State.STARTING:
            self._warn_of_foreign_loop()
            self._enter(State.READY)
            self._channel.send(Kind.READY, b"script")
            log.debug("ready")

    def _warn_of_foreign_loop(self) -> None:
        loop = asyncio._get_running_loop()
        if loop is not None and not isinstance(loop, WorkerLoop):
            log.warning(
                "%s runs on %s.%s and not on ngxloop: its sockets are shared as in mode plain, and "
                "it accepts until it is told to end",
                self._config.app,
                type(loop).__module__,
                type(loop).__qualname__,
            )

    def _enter(self, state: State) -> None:
        self._state = state
        self._assignment.enter(state)

    # Orders ------------------------------------------------------------------------------------

    def _listen_to_orders(self) -> None:
        signal.signal(signal.SIGTERM, self._handle_term)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(_ORDER_SIGNAL, self._handle_order_signal)
        fd = self._channel.fileno()
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(fd, fcntl.F_SETSIG, _ORDER_SIGNAL)
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_ASYNC)
        self._endings = Endings()
        self._read_orders()  # those that have arrived before

    def _handle_order_signal(self, *_: object) -> None:
        self._read_orders()

    def _read_orders(self) -> None:
        if not self._channel.is_open:
            return
        for message in self._channel.receive():
            self._assignment.look(urge=message.kind is Kind.URGE)
            if message.kind is Kind.ACCEPT:
                self._accept_waiting()
            elif message.kind is Kind.DRAIN:
                self._drain(message)
            elif message.kind is Kind.STOP:
                self._borrower.drain()
                self._enter(State.STOPPING)
                self._tell_to_end()
            elif message.kind is Kind.LINE:
                self._borrower.renew(message)
        if not self._channel.is_open:
            log.warning("the master is gone; draining")
            self._set_alarm()
            self._drain(Message(Kind.DRAIN))

    def _handle_term(self, *_: object) -> None:
        """The program has no handler: drain; the second time, or without a loop, end."""
        if self._is_orphan():
            self._set_alarm()
        loop = self._sharing.serving
        if self._is_told or loop is None or not loop.is_running():
            self._is_told = True
            raise SystemExit(ExitCode.OK)
        self._drain(Message(Kind.DRAIN))

    def _is_orphan(self) -> bool:
        return os.getppid() != self._assignment.master_pid

    def _set_alarm(self) -> None:
        """End this process if it does not: nobody else is left to do it."""
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(math.ceil(self._config.graceful_timeout + KILL_SECONDS))

    # The end -----------------------------------------------------------------------------------

    def _accept_waiting(self) -> None:
        """Let the loop take what waits at its sockets. Runs in a signal."""
        loop = self._sharing.serving
        if loop is not None and loop.is_running():
            loop.call_soon_threadsafe(loop.accept_waiting)

    def _drain(self, message: Message) -> None:
        """Accept no more; tell the program to end when the time has come. Runs in a signal."""
        if self._borrower.is_draining:
            return
        self._borrower.drain()
        is_serving = self._state is State.READY
        self._enter(State.DRAINING)
        self._channel.send(Kind.DRAINING)
        loop = self._sharing.serving
        if not is_serving or loop is None or not loop.is_running():
            self._tell_to_end()
            return
        seconds = float(message.payload or self._config.graceful_timeout)
        loop.call_soon_threadsafe(self._wait_for_connections, loop, loop.time() + seconds)

    def _wait_for_connections(self, loop: WorkerLoop, deadline: float) -> None:
        patience = deadline
        if self._endings.handled_signal() is not None:
            patience = min(deadline, loop.time() + self._config.idle_grace)
        self._poll(loop, patience, deadline)

    def _poll(self, loop: WorkerLoop, patience: float, deadline: float) -> None:
        if self._connection_count() and loop.time() < patience:
            loop.call_later(DRAIN_POLL_SECONDS, self._poll, loop, patience, deadline)
            return
        if patience == deadline and self._connection_count():
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
        number = self._endings.handled_signal() or signal.SIGINT
        os.kill(os.getpid(), number)

    def _connection_count(self) -> int:
        active: int = self._assignment.board.read(self._assignment.slot)["active"]
        return active


def _words_of(error: SystemExit) -> str:
    """Return what a program was ended with: its words, or its exit code."""
    code = 0 if error.code is None else error.code
    return f"exit code {code}" if isinstance(code, int) else str(code)
