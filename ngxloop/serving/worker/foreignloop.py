"""Notice that a program runs on another event loop than ours.

A program can listen before it runs its loop, so both moments count: when it becomes ready, and when
a loop begins to run after that. For the second one, the function by which every loop says that it
runs in a thread, asyncio._set_running_loop, is replaced in this process. Loops made of C take it
from asyncio when they are imported, which a program does after this.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from ngxloop.serving.logs.logs import log
from ngxloop.serving.worker.workerloop import WorkerLoop

_NAME = "_set_running_loop"


class ForeignLoopWatch:
    """Warns once of the loop of a program's main thread, if it is not ours."""

    def __init__(self, app: str) -> None:
        self._app = app
        self._is_serving = False
        self._is_done = False
        self._original: Callable[[Any], None] = getattr(asyncio.events, _NAME)

    def begin(self) -> None:
        """See every loop that begins to run."""

        def set_running_loop(loop: Any) -> None:
            self._original(loop)
            if not self._is_done and loop is not None and self._is_serving:
                self._note(loop)

        for module in (asyncio, asyncio.events):
            setattr(module, _NAME, set_running_loop)

    def serving(self) -> None:
        """The program serves, on the loop that runs now or on one that begins to run later."""
        self._is_serving = True
        loop = asyncio._get_running_loop()
        if loop is not None:
            self._note(loop)

    def _note(self, loop: Any) -> None:
        if isinstance(loop, WorkerLoop):
            return
        if threading.current_thread() is not threading.main_thread():
            return
        self._is_done = True
        log.warning(
            "%s runs on %s.%s and not on ngxloop: its sockets are shared as in mode plain, and "
            "it accepts until it is told to end",
            self._app,
            type(loop).__module__,
            type(loop).__qualname__,
        )
