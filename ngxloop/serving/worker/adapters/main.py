"""Run an async function without arguments in every worker: a program that serves by itself.

It is ready when its first server listens and it still runs a moment later.

How it drains. Nothing more is accepted; the connections get time to end: until the deadline if the
program has no signal handler of its own, else --idle-grace. Then it is told by its own handler, or
its task is cancelled, as by asyncio.run().
"""

import asyncio
import os
from collections.abc import Sequence
from typing import Any

from ngxloop.serving.base.application import user_errors
from ngxloop.serving.base.errors import ExitCode, StartError
from ngxloop.serving.base.timing import SETTLE_SECONDS
from ngxloop.serving.logs.logs import log
from ngxloop.serving.sockets.listeners import ListeningSocket
from ngxloop.serving.worker.adapters.base import AdapterContext, wait_until
from ngxloop.serving.worker.shutdownsignals import ShutdownSignalDetector, describe_tasks


class Adapter:
    """One call of the function."""

    name = "main"

    def __init__(self, context: AdapterContext) -> None:
        self._context = context
        self._config = context.config
        self._shutdown_signals = ShutdownSignalDetector()
        self._task: asyncio.Task[Any] | None = None
        self._is_draining = False

    async def start(self, sockets: Sequence[ListeningSocket]) -> None:
        """Begin the function, and wait until it listens."""
        loop = asyncio.get_running_loop()
        listens = asyncio.Event()
        self._context.share_sockets(lambda: loop.call_soon_threadsafe(listens.set))
        self._task = asyncio.create_task(self._context.application(), name=self._config.app)
        # told elsewhere, unless the worker is told to end meanwhile
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())
        if self._config.ready_on == "listen":
            waiter = asyncio.create_task(listens.wait())
            await asyncio.wait([self._task, waiter], return_when=asyncio.FIRST_COMPLETED)
            waiter.cancel()
            await asyncio.wait([self._task], timeout=SETTLE_SECONDS)
            self._refuse_early_end()
        self._task.add_done_callback(self._ended)

    async def drain(self, deadline: float) -> None:
        """Wait for the connections to end, then let the function end."""
        assert self._task is not None
        self._is_draining = True
        loop = asyncio.get_running_loop()
        number = self._shutdown_signals.handled_signal()
        grace_end = deadline if number is None else loop.time() + self._config.idle_grace
        await wait_until(self._is_idle, min(deadline, grace_end))
        if number is not None and not self._task.done():
            os.kill(os.getpid(), number)
            await asyncio.wait([self._task], timeout=max(0.0, deadline - loop.time()))
        if not self._task.done():
            if not self._is_idle():
                log.warning("not drained at the deadline; cancelling %s", describe_tasks(loop))
            self._task.cancel("graceful time-out")
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    def _is_idle(self) -> bool:
        assert self._task is not None
        return self._task.done() or self._context.connection_count() == 0

    def _refuse_early_end(self) -> None:
        assert self._task is not None
        if not self._task.done():
            return
        name = self._config.app
        with user_errors(ExitCode.START_FAILED, f"{name} raised {{}} before it served"):
            self._task.result()
        raise StartError(
            ExitCode.START_FAILED,
            f"{name} ended before it served; a program that does not listen needs --ready-on start",
        )

    def _ended(self, task: asyncio.Task[Any]) -> None:
        """The function has returned, or raised, without being asked."""
        if self._is_draining or task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("%s raised", self._config.app, exc_info=error)
        self._context.end(ExitCode.OK if error is None else ExitCode.INTERNAL)
