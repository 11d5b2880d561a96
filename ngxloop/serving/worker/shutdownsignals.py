"""How a program wants to be told to end: by a signal that it handles, or not at all."""

import asyncio
import os
import signal
from collections.abc import Iterable
from typing import Any

_ASYNCIO_FOLDER = os.path.dirname(asyncio.__file__)
_WAYS = (signal.SIGTERM, signal.SIGINT)


class ShutdownSignalDetector:
    """Knows the handlers from before the program, and so which ones are the program's."""

    def __init__(self) -> None:
        self._before = {number: signal.getsignal(number) for number in _WAYS}

    def handled_signal(self) -> signal.Signals | None:
        """Return the signal for which the program has a handler, None if it has none."""
        for number in _WAYS:
            handler = signal.getsignal(number)
            is_new = callable(handler) and handler != self._before[number]
            if is_new and not _is_of_runner(handler):
                return number
        return None


def describe_tasks(loop: asyncio.AbstractEventLoop) -> str:
    """Return the names and the code of the tasks that still run: what hangs."""
    return describe_some(asyncio.all_tasks(loop))


def describe_some(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """Return the names and the code of these tasks."""
    ordered = sorted(tasks, key=lambda task: task.get_name())
    return ", ".join(f"{task.get_name()} ({_place(task)})" for task in ordered) or "no task"


def _place(task: asyncio.Task[Any]) -> str:
    """Return where a task waits: the innermost of its coroutines that is not asyncio's own."""
    place = "not started"
    coroutine: Any = task.get_coro()
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_ASYNCIO_FOLDER):
            place = f"{code.co_qualname}, {code.co_filename}:{frame.f_lineno}"
        coroutine = coroutine.cr_await
    return place


def _is_of_runner(handler: Any) -> bool:
    """Say whether it is asyncio.run()'s own, a partial of Runner._on_sigint."""
    function = getattr(handler, "func", handler)
    return isinstance(getattr(function, "__self__", None), asyncio.Runner)
